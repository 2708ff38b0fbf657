"""The only way a status changes: a conditional update and its event, in one transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from django.db import models, transaction
from django.db.models import Max, Value
from django.db.models.functions import Greatest

from connectors.text import storable_value
from trading.core.causation import current_cause
from trading.domain.events.public_events import public_type
from trading.domain.statuses import next_status
from trading.models import AIDecision, Cycle, Event, Order, Saga, UniverseCandidate
from trading.models.event import TransactionIdField, this_transaction

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


def identity_of(row: StatusRow) -> dict[str, Any]:
    """Return the facts every event of the row carries, so that it can be understood without the table."""
    if isinstance(row, Order):
        return {
            "symbol": row.symbol,
            "side": row.side,
            "quantity": None if row.quantity is None else str(row.quantity),
            "client_order_id": row.client_order_id,
            "purpose": row.purpose,
            "decision_id": None if row.decision_id is None else str(row.decision_id),
        }
    if isinstance(row, AIDecision):
        return {"symbol": row.symbol, "action": row.action}
    if isinstance(row, Saga):
        return {"order_id": str(row.order_id), "decision_id": str(row.decision_id)}
    return {}


def apply(
    row: StatusRow,
    event: str,
    *,
    changes: Mapping[str, Any] | None = None,
    where: models.Q | None = None,
    **facts: Any,
) -> bool:
    """Move the row along its machine in the database, if it still has the status that ``row`` was read with.

    The event's type is ``<machine>.<event>``; ``facts`` become its payload beside ``from`` and ``to``. ``row`` itself
    stays as it was read, for the caller's transaction may still roll back: whoever goes on with it reads it anew.

    Args:
        changes: further columns to set in the same update; values, or expressions such as ``F("attempts") + 1``.
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
            payload={"from": row.status, "to": target, **identity_of(row), **facts},
            cycle_id=correlation_of(row),
        )
    ids = {f"{machine}_id": str(row.pk), "cycle_id": str(correlation_of(row) or "")}
    log.debug("transition", transition=f"{machine}.{event}", status=target, **ids)
    return True


def record_created(row: StatusRow, **facts: Any) -> None:
    """Write the first event of a row that was just inserted, in the caller's transaction."""
    first_event(row, **facts).save(force_insert=True)


def first_event(row: StatusRow, **facts: Any) -> Event:
    """Return the event of a row that is about to be inserted, to be inserted with it."""
    machine = MACHINE_OF[type(row)]
    kind = f"{machine}.created"
    payload = storable_value({"to": row.status, **identity_of(row), **facts})
    return Event(
        aggregate_type=machine,
        aggregate_id=str(row.pk),
        sequence=1,
        type=kind,
        payload=payload,
        cycle_id=correlation_of(row),
        causation_id=current_cause(),
        public_sequence=1 if public_type(kind, payload) else None,
    )


def append_event(
    *,
    aggregate_type: str,
    aggregate_id: str,
    event_type: str,
    payload: Mapping[str, Any],
    cycle_id: UUID | None,
) -> Event:
    """Append to the log with the aggregate's next sequence, and to the outbox where others may see it.

    The caller holds the aggregate's row lock (its update is in the same transaction), which makes the
    sequence gapless; the unique constraint catches whoever does not.
    """
    of_aggregate = Event.objects.filter(aggregate_type=aggregate_type, aggregate_id=aggregate_id)
    before = of_aggregate.order_by("-sequence").only("sequence", "transaction_id").first()
    public = None
    if public_type(event_type, payload):
        published = of_aggregate.filter(public_sequence__isnull=False)
        public = (published.aggregate(last=Max("public_sequence"))["last"] or 0) + 1
    return Event.objects.create(
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        sequence=before.sequence + 1 if before else 1,
        type=event_type,
        payload=storable_value(payload),
        cycle_id=cycle_id,
        causation_id=current_cause(),
        public_sequence=public,
        transaction_id=_number_after(before),
    )


def _number_after(before: Event | None) -> Any:
    """Return the transaction's id, or that of the event before it: of an aggregate the stream tells none too early."""
    own = this_transaction()
    if before is None or before.transaction_id is None:
        return own
    return Greatest(own, Value(before.transaction_id, output_field=TransactionIdField()))
