"""The log of events as it grows, in an order in which none is left out and none is told too early.

Events are told in the order of ``Event.transaction_id``, and within one number by position. What is still uncommitted
has a number that is at least its own transaction's; so whatever lies below the oldest open transaction of the database
is complete, however long a process stood still, and whatever its clock says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid6
from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from trading.models import Event

MOST_AT_ONCE = 200
LONGEST_TRANSACTION = timedelta(minutes=2)  # of ours; the session's limits end them before
# A process that makes many ids at once gives each a millisecond of its own: their times run ahead of its clock.
IDS_AHEAD = timedelta(seconds=10)
# Open transactions of other databases of the same server are left out: they write no events of ours. One of which it
# is not known, as it has just ended or is another user's, counts.
OLDEST_OPEN = """
SELECT coalesce(min(open.number::text::bigint), max(pg_snapshot_xmax(now.snapshot)::text::bigint))
FROM (SELECT pg_current_snapshot() AS snapshot) now
LEFT JOIN LATERAL pg_snapshot_xip(now.snapshot) AS open (number) ON NOT EXISTS (
    SELECT 1 FROM pg_stat_activity elsewhere
    WHERE elsewhere.backend_xid = open.number::xid AND elsewhere.datname <> current_database())
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the log: after the event with this number and position; number 0: among those without a number."""

    transaction_id: int
    position: int


def place_of(event_id: UUID) -> Place | None:
    """Return the place after an event, None for an id that no event had.

    A forgotten event's place is the moment its id was made, which its UUID tells, less what ids may run ahead of the
    clock: what was written with it and shortly before may be told again.
    """
    row = Event.objects.filter(pk=event_id).values_list("transaction_id", "position").first()
    if row is not None:
        return Place(row[0] or 0, row[1])
    made_at = (
        uuid6.UUID(int=event_id.int).time / 1000 - IDS_AHEAD.total_seconds()
    )  # of version 7: in milliseconds
    if event_id.version != 7 or made_at > timezone.now().timestamp():
        return None
    return _place_at(datetime.fromtimestamp(made_at, UTC))


def newest_place() -> Place:
    """Return the place after all that can be told now."""
    return Place(_oldest_open(), 0)


def events_after(place: Place, filters: Mapping[str, Any]) -> tuple[Sequence[Event], Place]:
    """Return the next events after ``place``, at most 200, as far as nothing can come between any more.

    Returns:
        The events in the order of the log, and the place to go on from.
    """
    end = _oldest_open()
    found: list[Event] = []
    if place.transaction_id == 0:
        unnumbered = Event.objects.filter(transaction_id=None, position__gt=place.position, **filters)
        found += unnumbered.order_by("position")[:MOST_AT_ONCE]
    later = Q(transaction_id__gt=place.transaction_id) | Q(position__gt=place.position)
    rows = Event.objects.filter(
        later, transaction_id__gte=place.transaction_id, transaction_id__lt=end, **filters
    )
    found += rows.order_by("transaction_id", "position")[: MOST_AT_ONCE - len(found)]
    if len(found) == MOST_AT_ONCE:
        return found, Place(found[-1].transaction_id or 0, found[-1].position)
    return found, Place(end, 0) if end > place.transaction_id else place


def _place_at(moment: datetime) -> Place:
    """Return a place before everything that happened from ``moment`` on, and after most of what happened before.

    A transaction that was open at that moment has a lower number than others that had ended: the lowest counts.
    """
    numbers = ("transaction_id", "position")
    since = Event.objects.filter(occurred_at__gte=moment, occurred_at__lt=moment + LONGEST_TRANSACTION)
    first = (
        since.order_by(F("transaction_id").asc(nulls_first=True), "position").values_list(*numbers).first()
    )
    if first is not None:
        return Place(first[0] or 0, first[1] - 1)
    before = Event.objects.filter(occurred_at__lt=moment)
    last = before.order_by("-occurred_at", "-id").values_list(*numbers).first()
    return Place(last[0] or 0, last[1]) if last else Place(0, 0)


def _oldest_open() -> int:
    """Return the number below which every transaction that may have written events has ended."""
    with connection.cursor() as cursor:
        cursor.execute(OLDEST_OPEN)
        return int(cursor.fetchone()[0])
