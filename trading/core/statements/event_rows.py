"""The statements that append an event, or one to each of many aggregates, with the next place there; written out.

One is made some ten times for each order: the ORM takes longer to write it than PostgreSQL to do it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone

from connectors.text import storable_value
from trading.core.causation import current_cause
from trading.core.statements.new_rows import new
from trading.domain.events.public_events import public_type
from trading.models import Event

# The event's transaction is its own, or that of the event before it: of an aggregate the stream tells none too early.
_APPEND = """
INSERT INTO events (id, aggregate_type, aggregate_id, sequence, type, payload, cycle_id, causation_id, occurred_at,
    public_sequence, transaction_id)
SELECT %(id)s, %(aggregate_type)s, %(aggregate_id)s, coalesce(newest.sequence, 0) + 1, %(type)s,
    %(payload)s::jsonb, %(cycle_id)s, %(causation_id)s, %(occurred_at)s, {public_sequence},
    greatest(pg_current_xact_id(), newest.transaction_id)
FROM {moved} LEFT JOIN (
    SELECT sequence, transaction_id FROM events
    WHERE aggregate_type = %(aggregate_type)s AND aggregate_id = %(aggregate_id)s ORDER BY sequence DESC LIMIT 1
) AS newest ON true
RETURNING sequence, public_sequence
"""
_APPENDED = ("id", "aggregate_type", "aggregate_id", "type", "cycle_id", "causation_id", "occurred_at")
_NEXT_PUBLIC = """(
    SELECT coalesce(max(public_sequence), 0) + 1 FROM events
    WHERE aggregate_type = %(aggregate_type)s AND aggregate_id = %(aggregate_id)s AND public_sequence IS NOT NULL
)"""
_NOTHING_MOVED = "(SELECT) AS one"
_APPEND_EACH = """
INSERT INTO events (id, aggregate_type, aggregate_id, sequence, type, payload, cycle_id, causation_id, occurred_at,
    public_sequence, transaction_id)
SELECT given.id, given.aggregate_type, given.aggregate_id, coalesce(newest.sequence, 0) + 1, given.type,
    given.payload, given.cycle_id, given.causation_id, given.occurred_at,
    CASE WHEN given.is_public THEN (
        SELECT coalesce(max(public_sequence), 0) + 1 FROM events AS earlier
        WHERE earlier.aggregate_type = given.aggregate_type AND earlier.aggregate_id = given.aggregate_id
            AND earlier.public_sequence IS NOT NULL
    ) END,
    greatest(pg_current_xact_id(), newest.transaction_id)
FROM (VALUES {rows}) AS given(number, id, aggregate_type, aggregate_id, type, payload, cycle_id, causation_id,
    occurred_at, is_public)
{moved}LEFT JOIN LATERAL (
    SELECT sequence, transaction_id FROM events AS earlier
    WHERE earlier.aggregate_type = given.aggregate_type AND earlier.aggregate_id = given.aggregate_id
    ORDER BY sequence DESC LIMIT 1
) AS newest ON true
ORDER BY given.number
"""
_EACH = "(%s::int, %s::uuid, %s, %s, %s, %s::jsonb, %s::uuid, %s, %s::timestamptz, %s::boolean)"


def unplaced(
    aggregate_type: str, aggregate_id: str, kind: str, payload: Mapping[str, Any], cycle_id: UUID | None
) -> Event:
    """Return an event that has no place in its aggregate's order yet."""
    return new(
        Event,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        type=kind,
        payload=storable_value(payload),
        cycle_id=cycle_id,
        causation_id=current_cause(),
    )


def append_text(event: Event, *, moved: str = _NOTHING_MOVED) -> str:
    """Return the statement that appends an event, once for each row of ``moved``."""
    number = _NEXT_PUBLIC if public_type(event.type, event.payload) else "NULL"
    return _APPEND.format(public_sequence=number, moved=moved)


def values_of(event: Event) -> dict[str, Any]:
    """Return the parameters of that statement; the event is of now."""
    event.occurred_at = timezone.now()
    return {name: getattr(event, name) for name in _APPENDED} | {"payload": json.dumps(event.payload)}


def append_each_text(events: Sequence[Event], *, moved: str = "") -> tuple[str, list[Any]]:
    """Return the statement that appends one event to each of many aggregates in their order, and its values.

    Args:
        events: at least one, all of now; of each aggregate one at most.
        moved: where a condition is joined: a table with the ids of the aggregates whose events are appended, as text
            in its column ``moved_id``.
    """
    now, values = timezone.now(), list[Any]()
    for number, event in enumerate(events):
        event.occurred_at = now
        values += [
            number,
            event.pk,
            event.aggregate_type,
            event.aggregate_id,
            event.type,
            json.dumps(event.payload),
        ]
        is_public = public_type(event.type, event.payload) is not None
        values += [event.cycle_id, event.causation_id, now, is_public]
    join = f"JOIN {moved} ON moved_id = given.aggregate_id\n" if moved else ""
    return _APPEND_EACH.format(rows=", ".join([_EACH] * len(events)), moved=join), values
