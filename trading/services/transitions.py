"""The only way a status changes: a conditional update and its event, in one transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from django.db import models, transaction
from django.db.models import Max

from trading.domain.statuses import next_status
from trading.models import AIDecision, Cycle, Event, Order, Saga, UniverseCandidate

log = structlog.get_logger(__name__)
StatusRow = AIDecision | Cycle | Order | Saga | UniverseCandidate
MACHINE_OF: Mapping[type[models.Model], str] = {
    AIDecision: "decision",
    Cycle: "cycle",
    Order: "order",
    Saga: "saga",
    UniverseCandidate: "candidate",
}


def correlation_of(row: StatusRow) -> UUID | None:
    """Return the id of the cycle the row belongs to, the correlation id of its events."""
    if isinstance(row, UniverseCandidate):
        return None
    return row.pk if isinstance(row, Cycle) else row.cycle_id


def apply(
    row: StatusRow,
    event: str,
    *,
    changes: Mapping[str, Any] | None = None,
    where: models.Q | None = None,
    **facts: Any,
) -> bool:
    """Move ``row`` along its machine, if it still has the status we read.

    The event's type is ``<machine>.<event>``; ``facts`` become its payload beside ``from`` and ``to``.

    Args:
        changes: further columns to set in the same update.
        where: a further condition, e.g. an expired lease.

    Returns:
        False when another process moved the row first; nothing was written then.

    Raises:
        InvalidTransitionError: the machine has no such transition.
    """
    machine = MACHINE_OF[type(row)]
    target = next_status(machine, row.status, event)
    condition = models.Q(pk=row.pk, status=row.status) & (where or models.Q())
    values = dict(changes or {})
    with transaction.atomic():
        updated = type(row)._default_manager.filter(condition).update(status=target, **values)
        if not updated:
            return False
        append_event(
            aggregate_type=machine,
            aggregate_id=str(row.pk),
            event_type=f"{machine}.{event}",
            payload={"from": row.status, "to": target, **facts},
            cycle_id=correlation_of(row),
        )
    ids = {f"{machine}_id": str(row.pk), "cycle_id": str(correlation_of(row) or "")}
    log.debug("transition", transition=f"{machine}.{event}", status=target, **ids)
    for name, value in {"status": target, **values}.items():
        setattr(row, name, value)
    return True


def record_created(row: StatusRow, **facts: Any) -> None:
    """Write the first event of a row that was just inserted, in the caller's transaction."""
    machine = MACHINE_OF[type(row)]
    append_event(
        aggregate_type=machine,
        aggregate_id=str(row.pk),
        event_type=f"{machine}.created",
        payload={"to": row.status, **facts},
        cycle_id=correlation_of(row),
    )


def append_event(
    *,
    aggregate_type: str,
    aggregate_id: str,
    event_type: str,
    payload: Mapping[str, Any],
    cycle_id: UUID | None,
) -> Event:
    """Append to the log with the aggregate's next sequence.

    The caller holds the aggregate's row lock (its update is in the same transaction), which makes the
    sequence gapless; the unique constraint catches whoever does not.
    """
    last = Event.objects.filter(aggregate_type=aggregate_type, aggregate_id=aggregate_id).aggregate(
        last=Max("sequence")
    )
    return Event.objects.create(
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        sequence=(last["last"] or 0) + 1,
        type=event_type,
        payload=dict(payload),
        cycle_id=cycle_id,
    )
