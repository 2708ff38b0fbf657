"""Record a cycle's steps, warnings and errors: as events of the cycle, and in the process's log."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.utils import timezone

from connectors.rows import UnreadableRow, summary_of
from trading.core import transitions
from trading.core.failures import log_failure
from trading.core.statements.message import Message
from trading.models import Cycle
from trading.models.cycle import ERROR, WARNING

log = structlog.get_logger(__name__)


def record_step(cycle_id: UUID, step: str, after: Message | None = None, /, **facts: Any) -> None:
    """Append a step's outcome to the cycle's events, and to the log; ``after``: what it has made, in one message."""
    log.info("cycle_step", cycle_id=str(cycle_id), step=step, seconds=facts.get("seconds"))
    transitions.append_to_cycle(cycle_id, f"cycle.step.{step}", facts, after=after)


def seconds_since(began: datetime) -> float:
    """Return how long a step has taken, in seconds to the millisecond, as the cycle's events say it."""
    return round((timezone.now() - began).total_seconds(), 3)


def record_warning(cycle_id: UUID, *, operation: str, message: str) -> None:
    """Append what the operator should know although nothing failed."""
    log.warning("cycle_warning", cycle_id=str(cycle_id), operation=operation, message=message)
    _append_event(cycle_id, WARNING, operation=operation, message=message[:500])


def record_unreadable(cycle_id: UUID, *, operation: str, rows: Iterable[UnreadableRow]) -> None:
    """Append how many rows of a list could not be understood, and the names of the first of them; none: nothing."""
    words = summary_of(rows)
    if words:
        record_warning(cycle_id, operation=operation, message=words)


def record_model_switch(cycle_id: UUID, **facts: Any) -> None:
    """Append that models of a fallback chain were changed, and why."""
    log.warning("model_switched", cycle_id=str(cycle_id), **facts)
    _append_event(cycle_id, "cycle.model_switched", **(facts | {"detail": str(facts["detail"])[:500]}))


def record_error(cycle_id: UUID, *, operation: str, error: BaseException, symbol: str = "") -> None:
    """Add an error to the cycle's events, which are the list that ``Cycle.errors`` tells, and to the log."""
    entry = {
        "operation": operation,
        "type": type(error).__name__,
        "message": str(error)[:500],
        "symbol": symbol,
        "at": timezone.now().isoformat(),
    }
    cycle = Cycle.objects.only("status", "stage").get(pk=cycle_id)
    log_failure(
        "cycle_error",
        error=error,
        operation=operation,
        state=f"{cycle.status}, {cycle.stage}",
        cycle_id=cycle_id,
        symbol=symbol,
    )
    _append_event(cycle_id, ERROR, **entry)


def _append_event(cycle_id: UUID, event_type: str, **facts: Any) -> None:
    transitions.append_to_cycle(cycle_id, event_type, facts)
