"""The Celery application: settings measured under faults, see docs/adr/0003-celery.md."""

import os
import sys
from threading import Thread
from typing import Any

import structlog
from celery import Celery, concurrency
from celery.app.backends import BACKEND_ALIASES
from celery.signals import (
    after_task_publish,
    beat_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
)

from connectors.redis_schemes import SCHEMES, use_our_transport
from orchestrator_project.observability.process_name import process_name
from orchestrator_project.observability.traced import is_traced, trace_process
from orchestrator_project.thread_pool import TaskPool

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")

# What `-P threads` means here, and what the schemes of REDIS_URL mean to queue and results; loaded where they are used.
concurrency.ALIASES["threads"] = "orchestrator_project.thread_pool:TaskPool"  # type: ignore[attr-defined]
use_our_transport()
BACKEND_ALIASES.update(dict.fromkeys(SCHEMES, "orchestrator_project.broker.results:Backend"))
app = Celery("orchestrator_project", amqp="orchestrator_project.queues:AMQP")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
log = structlog.get_logger(__name__)


@setup_logging.connect
def _use_project_logging(**_: Any) -> None:
    """Keep the logging that Django's settings configured: Celery must not replace it."""


@beat_init.connect
def _log_what_beat_sends(**_: Any) -> None:
    """Say which task beat sends, with its id and trace: where the story of a cycle begins."""
    after_task_publish.connect(_log_sent, weak=False)


def _log_sent(sender: str, headers: dict[str, Any] | None = None, **_: Any) -> None:
    carrier = headers or {}
    # The producer's span may have ended already: the message says which trace it is.
    parts = str(carrier.get("traceparent", "")).split("-")
    ids = {"trace_id": parts[1]} if len(parts) == 4 else {}
    log.info("task_sent", task=sender, task_id=carrier.get("id"), **ids)


@worker_init.connect
def _import_before_the_fork(**_: Any) -> None:
    """Load the tracing library once, for all children to share; nothing of it starts here."""
    if is_traced():
        import orchestrator_project.observability.tracing  # noqa: F401 - for the children's sake


@worker_init.connect
def _trace_threads(sender: Any, **_: Any) -> None:
    """Start tracing where threads of this very process do the tasks."""
    if issubclass(sender.pool_cls, TaskPool):
        trace_process(process_name(sys.argv))


@worker_process_init.connect
def _trace_child(**_: Any) -> None:
    """Start tracing in a child: its sending thread would not survive the fork."""
    trace_process(process_name(sys.argv))


@worker_process_shutdown.connect
def _send_the_rest(**_: Any) -> None:
    """Send what a child that ends in order has recorded; it leaves without running exit handlers."""
    if is_traced():
        from orchestrator_project.observability.tracing import stop_tracing

        stop_tracing()


@worker_process_init.connect
def _load_model_library_ahead(**_: Any) -> None:
    """Load it in the analyst's child before a cycle waits for it; beside, as a child must report within 4 s."""
    if set(app.amqp.queues.consume_from) == {"analysis"}:
        Thread(target=_load_where_one_is_named, name="load-model-library", daemon=True).start()


def _load_where_one_is_named() -> None:
    """Load the model library, 160 MB, where a language model is named; the built-in analyst does without it."""
    from django.conf import settings
    from django.db import Error, connection

    from ai import builtin, gateway
    from trading.models import Strategy

    names = set(settings.ENVIRONMENT.ai_models)
    try:
        names.update(*Strategy.objects.trading().values_list("model_names", flat=True))
    except Error:  # the database is away: the first call loads it
        log.warning("named_models_unknown")
    finally:
        connection.close()
    if names - {builtin.MODEL}:
        gateway.load()
