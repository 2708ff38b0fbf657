"""The Celery application: settings measured under faults, see docs/adr/0003-celery.md."""

import os
from threading import Thread
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_project.settings")

app = Celery("orchestrator_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _use_project_logging(**_: Any) -> None:
    """Keep the logging that Django's settings configured: Celery must not replace it."""


@worker_process_init.connect
def _load_model_library_ahead(**_: Any) -> None:
    """Load it in the analyst's child before a cycle waits for it; beside, as a child must report within 4 s."""
    if set(app.amqp.queues.consume_from) == {"analysis"}:
        from ai import gateway

        Thread(target=gateway.load, name="load-model-library", daemon=True).start()
