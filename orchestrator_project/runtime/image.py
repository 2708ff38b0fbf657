"""What all processes of ``manage.py up`` have loaded in common, and how a fork of it becomes one of them.

Each of a dozen processes loaded Django, Celery and our rooms by itself: 2.5 s of a core and 60 to 90 MB, a dozen times.
``up`` loads them once and forks; what is only read stays one copy in memory. See docs/adr/0036-one-image.md.
"""

import gc
import os
import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from orchestrator_project.broker.options import broker_options
from orchestrator_project.observability.process_name import process_name

# Loaded while the engines start: nothing here reads our settings. The console and the model library are not among them:
# one process each has them, and loads them beside its work.
LIBRARIES = (
    "alpaca.data.historical.crypto",
    "alpaca.data.historical.news",
    "alpaca.data.historical.stock",
    "alpaca.trading.client",
    "alpaca.trading.stream",
    "celery.app.control",
    "celery.app.log",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.events.dispatcher",
    "celery.events.receiver",
    "celery.fixups.django",
    "celery.worker.autoscale",
    "celery.worker.consumer",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.forms",
    "drf_spectacular",
    "exchange_calendars",
    "finnhub",
    "kombu.transport.redis",
    "pycoingecko",
    "structlog",
    "tenacity",
    "uvicorn.main",
)
OURS = (
    "connectors.alpaca.broker",
    "connectors.alpaca.market_data",
    "connectors.coingecko.client",
    "connectors.finnhub.client",
    "connectors.redis_transport",
    "orchestrator_project.beat",
    "orchestrator_project.broker.results",
    "orchestrator_project.queues",
    "trading.tasks",
    *(
        f"orchestrator_project.management.commands.{name}"
        for name in (
            "consume_events",
            "evaluator",
            "follow",
            "listen_trade_updates",
            "relay_events",
            "run_cycle",
            "sweeper",
        )
    ),
)
# A library's own threads would not survive the fork, and one core's work is never shared among them here.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


class NotAloneError(Exception):
    """A connection is open in a process that is about to be forked, or was."""


def load_libraries() -> None:
    """Load what does not read the settings; may run while the engines start."""
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    for name in LIBRARIES:
        import_module(name)
    version("redis")  # each of its connections asks; where packages lie is remembered


def seal() -> None:
    """Load the rest, and set aside what is loaded, so that no collector writes to it in any fork.

    Raises:
        NotAloneError: a database connection is open.
    """
    load_libraries()
    for name in OURS:
        import_module(name)
    require_no_connection()
    gc.collect()
    gc.freeze()


def become(argv: Sequence[str]) -> None:
    """Run a command line of this Python in a fork, as the interpreter would: ``-m MODULE …`` or ``manage.py …``.

    Raises:
        SystemExit: at its end, where the command says so.
        NotAloneError: the parent had a connection, which two would use now.
    """
    from django.apps import apps
    from django.conf import settings

    require_no_connection()
    _, first, *rest = argv
    is_module = first == "-m"
    sys.argv = rest if is_module else [first, *rest]
    settings.CELERY_BROKER_TRANSPORT_OPTIONS.update(broker_options(process_name(sys.argv)))
    apps.get_app_config("orchestrator_project").ready()  # again: it goes by who the process is
    if is_module:
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(first, run_name="__main__")


def require_no_connection() -> None:
    """Make sure that this process has no connection to the database.

    Raises:
        NotAloneError: it has one.
    """
    from django.db import connections

    open_ones = [each.alias for each in connections.all(initialized_only=True) if each.connection is not None]
    if open_ones:
        raise NotAloneError(f"connections are open: {', '.join(open_ones)}")
