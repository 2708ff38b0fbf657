"""The only way a status changes: a conditional update and its event, in one transaction."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, connection, models, transaction

from trading.core.statements.event_rows import append_each_text, append_text, unplaced, values_of
from trading.core.statements.message import Message
from trading.core.statements.moved_rows import Beside, CompiledCondition, move_row
from trading.core.statements.moved_together import Moving, move_rows
from trading.domain.events.public_events import public_type
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

_LOCK_CYCLE = "SELECT FROM cycles WHERE id = %s FOR NO KEY UPDATE"
_THE_CYCLE = "(SELECT id::text AS moved_id FROM cycles WHERE id = %s) AS one"


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
    where: models.Q | CompiledCondition | None = None,
    is_within: bool = False,
    drawn: dict[str, Any] | None = None,
    beside: Beside | None = None,
    **facts: Any,
) -> bool:
    """Move the row along its machine in the database, if it still has the status that ``row`` was read with.

    The event's type is ``<machine>.<event>``; ``facts`` become its payload beside ``from`` and ``to``. ``row`` itself
    stays as it was read, for the caller's transaction may still roll back: whoever goes on with it reads it anew.

    Args:
        changes: further columns to set in the same update; values, or expressions such as ``F("attempts") + 1``.
        where: a further condition, e.g. an expired lease.
        is_within: the caller's own transaction is open, holds the row's lock, and ends with whatever this raises: no
            savepoint is needed. Or it is to be said once, and the caller goes another way where it raises.
        drawn: is given what the database made of expressions among the changes, by column.
        beside: what else is said in the same message, and written where the row moves.

    Returns:
        False when another process moved the row first; nothing was written then. With statements after it in the
        message: whether the last of those has found anything.

    Raises:
        InvalidTransitionError: the machine has no such transition.
    """
    machine = MACHINE_OF[type(row)]
    target = next_status(machine, row.status, event)
    payload = {"from": row.status, "to": target, **identity_of(row), **facts}
    told = unplaced(machine, str(row.pk), f"{machine}.{event}", payload, correlation_of(row))
    values = {"status": target, **(changes or {})}
    moved = move_and_tell(row, values, where, told, is_within=is_within, drawn=drawn, beside=beside)
    if not moved:
        return False
    _log_move(row, machine, event, target)
    return True


def _log_move(row: StatusRow, machine: str, event: str, target: str) -> None:
    # Looked at first, for the words alone would cost more than the row.
    if logging.getLogger(__name__).isEnabledFor(logging.DEBUG):
        ids = {f"{machine}_id": str(row.pk), "cycle_id": str(correlation_of(row) or "")}
        log.debug("transition", transition=f"{machine}.{event}", status=target, **ids)


def move_and_tell(
    row: StatusRow,
    values: Mapping[str, Any],
    where: models.Q | CompiledCondition | None,
    told: Event,
    *,
    is_within: bool,
    drawn: dict[str, Any] | None = None,
    beside: Beside | None = None,
) -> bool:
    """Move the row, where nobody has moved it first, by one statement where that is sure to be right.

    A statement sees no event that was written while it waited for the row. Nearly always whoever held the row has moved
    it, and nothing is left to do; where it may stand as it stood, it is locked by a statement of its own before.
    """
    said: dict[str, Any] = {"drawn": drawn, "beside": beside}
    if is_within:
        return move_row(row, row.status, values, where, told, **said)
    if values["status"] != row.status:
        try:
            with transaction.atomic() if connection.in_atomic_block else nullcontext():
                return move_row(row, row.status, values, where, told, **said)
        except IntegrityError as error:
            log.debug("moved_again", row=str(row.pk), error=str(error).strip())
    with transaction.atomic():
        list(type(row)._default_manager.filter(pk=row.pk).select_for_update(no_key=True).values_list("pk"))
        return move_row(row, row.status, values, where, told, **said)


@dataclass(frozen=True, slots=True)
class Move:
    """One row's way along its machine: what ``apply`` is given, for ``apply_all``.

    ``changes`` are values; an expression only where all rows of these columns have the same changes.
    """

    row: StatusRow
    event: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def apply_all(
    moves: Sequence[Move], *, where: models.Q | None = None, after: Message | None = None
) -> set[UUID]:
    """Move many rows of one table as ``apply`` does each, in one message; return the keys of those that moved.

    The rows are locked in the order of their keys, so two who move the same rows never wait for each other. Those
    that another process moved first are left out; whether the rest may go on without them is the caller's to say.

    Args:
        where: a further condition that each row must meet; they are locked by a message before then.

        after: is said before in the same message, and where nothing is moved, too.

    Raises:
        InvalidTransitionError: the machine has no such transition.
        ValueError: a row is named twice: its second event would have the sequence of the first.
    """
    after = after if after is not None else Message()
    if not moves:
        after.say()
        return set()
    model = type(moves[0].row)
    machine = MACHINE_OF[model]
    targets = [next_status(machine, move.row.status, move.event) for move in moves]
    keys = [move.row.pk for move in moves]
    if len(set(keys)) != len(keys):
        raise ValueError("a row is moved twice at once, expected each once")
    moving = [
        Moving(
            move.row, move.row.status, {"status": target, **move.changes}, _event_of(machine, move, target)
        )
        for move, target in zip(moves, targets, strict=True)
    ]
    if where is None:
        moved = move_rows(moving, are_locked=False, after=after)
    else:
        with transaction.atomic(savepoint=False):
            rows = model._default_manager.filter(where, pk__in=keys).order_by("pk")
            found = set(rows.select_for_update(no_key=True).values_list("pk", flat=True))
            left = [one for one in moving if one.row.pk in found]
            moved = move_rows(left, are_locked=True, after=after) if left else set()
    for move, target in zip(moves, targets, strict=True):
        if move.row.pk in moved:
            _log_move(move.row, machine, move.event, target)
    return moved


def _event_of(machine: str, move: Move, target: str) -> Event:
    payload = {"from": move.row.status, "to": target, **identity_of(move.row), **move.facts}
    return unplaced(machine, str(move.row.pk), f"{machine}.{move.event}", payload, correlation_of(move.row))


def record_created(row: StatusRow, **facts: Any) -> None:
    """Write the first event of a row that was just inserted, in the caller's transaction."""
    first_event(row, **facts).save(force_insert=True)


def first_event(row: StatusRow, **facts: Any) -> Event:
    """Return the event of a row that is about to be inserted, to be inserted with it."""
    machine = MACHINE_OF[type(row)]
    kind = f"{machine}.created"
    payload = {"to": row.status, **identity_of(row), **facts}
    found = unplaced(machine, str(row.pk), kind, payload, correlation_of(row))
    found.sequence, found.public_sequence = 1, 1 if public_type(kind, found.payload) else None
    return found


def second_event(row: StatusRow, event: str, *, after: Event, **facts: Any) -> Event:
    """Return the event of a row's first move, to be inserted with the row and the event of its beginning.

    Args:
        row: with the status that it began with.
        after: the event of its beginning (``first_event``).
    """
    machine = MACHINE_OF[type(row)]
    found = _event_of(machine, Move(row, event, {}, facts), next_status(machine, row.status, event))
    found.sequence = after.sequence + 1
    is_public = public_type(found.type, found.payload)
    found.public_sequence = (after.public_sequence or 0) + 1 if is_public else None
    return found


def append_event(
    *,
    aggregate_type: str,
    aggregate_id: str,
    event_type: str,
    payload: Mapping[str, Any],
    cycle_id: UUID | None,
) -> Event:
    """Append to the log with the aggregate's next sequence, and to the outbox where others may see it.

    One statement, written out: it is made some ten times for each order, and the ORM would take longer to write it than
    PostgreSQL to do it.

    The caller holds the aggregate's row lock (its update is in the same transaction), which makes the
    sequence gapless; the unique constraint catches whoever does not.
    """
    event = unplaced(aggregate_type, aggregate_id, event_type, payload, cycle_id)
    with connection.cursor() as cursor:
        cursor.execute(append_text(event), values_of(event))
        event.sequence, event.public_sequence = cursor.fetchone()
    return event


def append_to_cycle(
    cycle_id: UUID, event_type: str, payload: Mapping[str, Any], *, after: Message | None = None
) -> None:
    """Append to a cycle's events under the cycle's row lock, in one message that is a transaction where none is open.

    Rows that refer to the cycle may be written meanwhile. The lock is a statement of its own: what appends then sees
    all that was appended while it was waited for.

    Args:
        after: what belongs to the event, and is said before it in the same message.

    Raises:
        Cycle.DoesNotExist: there is no such cycle.
    """
    event = unplaced("cycle", str(cycle_id), event_type, payload, cycle_id)
    message = after if after is not None else Message()
    message.add(_LOCK_CYCLE, [cycle_id])
    text, values = append_each_text([event], moved=_THE_CYCLE)
    if not message.ask(f"{text} RETURNING 1", [*values, cycle_id]):
        raise Cycle.DoesNotExist(f"there is no cycle {cycle_id}")


def append_events(
    aggregate_type: str,
    events: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    cycle_id: UUID | None,
    message: Message | None = None,
) -> None:
    """Append one event to each of many aggregates of one type, as ``append_event`` does each, in one statement.

    Args:
        events: type and payload, by the aggregate's id.
        message: says it with more, later; None: it is said now.
    """
    if not events:
        return
    text, values = append_each_text(
        [
            unplaced(aggregate_type, aggregate_id, event_type, payload, cycle_id)
            for aggregate_id, (event_type, payload) in events.items()
        ]
    )
    said = message if message is not None else Message()
    said.add(text, values)
    if message is None:
        said.say()
