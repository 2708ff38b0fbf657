"""What every task has in common: its ids in the log, and patience with a database that is away."""

import inspect
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import structlog
from celery import current_task
from celery.exceptions import Reject
from django.db import Error, InterfaceError, OperationalError, connections

from trading.core.causation import caused_by
from trading.core.correlation import correlation_ids
from trading.core.trace_spans import span

P = ParamSpec("P")
log = structlog.get_logger(__name__)
DATABASE_PAUSE_SECONDS = 5.0
CYCLE = "belongs_to_cycle"  # a header of messages, by which the cycle need not be looked up
CORRELATED = ("cycle_id", "decision_id", "saga_id", "order_id")


def resilient(operation: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Bind the task's ids to its log lines and spans, and say how long it took.

    When the database is away, wait and have the message delivered again.

    The message is rejected and goes back to the queue, so nothing is lost while the worker pauses, and
    what the task had begun was rolled back with its transaction.
    """

    def decorate(task: Callable[P, None]) -> Callable[P, None]:
        first = next(iter(inspect.signature(task).parameters), "")

        @wraps(task)
        def run(*args: P.args, **options: P.kwargs) -> None:
            pk: Any = args[0] if args else options.get(first)
            ids = {first: str(pk)} if first in CORRELATED else {}
            began = time.monotonic()
            ids |= {"task_id": str(current_task.request.id)} if current_task else {}
            cause = f"task:{ids['task_id']}" if "task_id" in ids else ""
            with structlog.contextvars.bound_contextvars(task=operation, **ids), caused_by(cause):
                try:
                    known = _known_ids(first, str(pk)) if first in CORRELATED else {}
                    with structlog.contextvars.bound_contextvars(**known), span(operation):
                        task(*args, **options)
                        log.info("task_done", seconds=round(time.monotonic() - began, 3))
                except (OperationalError, InterfaceError) as error:
                    _wait_for_the_database(operation, error)
                    raise Reject(str(error), requeue=True) from error

        return run

    return decorate


def _known_ids(name: str, pk: str) -> dict[str, str]:
    """Return what is bound to the log; the cycle as the message says it, where it does."""
    told = current_task.request.get(CYCLE) if current_task else None
    return {name: pk, "cycle_id": str(told)} if told else correlation_ids(name, pk)


def _wait_for_the_database(operation: str, error: Error) -> None:
    """Say how the database stands; pause when it cannot be reached, so that the queue is not drained in vain."""
    for connection in connections.all():
        connection.close()
    try:
        connections["default"].ensure_connection()
    except (OperationalError, InterfaceError):
        log.critical(
            "database_unreachable",
            error_type=type(error).__name__,
            error=str(error).strip(),
            operation=operation,
            state="waiting",
            again_in_seconds=DATABASE_PAUSE_SECONDS,
        )
        time.sleep(DATABASE_PAUSE_SECONDS)
    else:
        log.warning(
            "database_error",
            error_type=type(error).__name__,
            error=str(error).strip(),
            operation=operation,
            state="again at once",
        )
