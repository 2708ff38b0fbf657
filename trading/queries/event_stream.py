"""The log of events as it grows, in an order in which none is left out.

Events are sorted by time and id. A transaction that is still open may yet add one that sorts before what is
there already, so what is younger than the oldest open transaction has to wait for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid6
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from trading.models import Event

# Between an event's time, taken in Python, and its transaction's first write; and what clocks may differ by.
MARGIN = timedelta(seconds=0.5)
MOST_AT_ONCE = 200
STEPPED_BACK = timedelta(seconds=5)
ZERO_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the log: after this event; with ``ZERO_ID``: after everything before that moment."""

    occurred_at: datetime
    event_id: UUID


def place_of(event_id: UUID) -> Place | None:
    """Return the place after an event, None for an id that no event had.

    A forgotten event's place is the moment its id was made, which its UUID tells: what was written with it may
    be told again.
    """
    at = Event.objects.filter(pk=event_id).values_list("occurred_at", flat=True).first()
    if at is not None:
        return Place(at, event_id)
    made_at = uuid6.UUID(int=event_id.int).time / 1000  # of version 7: in milliseconds
    if event_id.version != 7 or made_at > timezone.now().timestamp():
        return None
    return Place(datetime.fromtimestamp(made_at, UTC), ZERO_ID)


def newest_place() -> Place:
    """Return the place after all that can be told now."""
    return Place(_horizon(), ZERO_ID)


def events_after(place: Place, filters: Mapping[str, Any]) -> tuple[Sequence[Event], Place]:
    """Return the next events after ``place``, oldest first, as far as nothing can come between any more.

    Returns:
        The events, and the place to go on from.
    """
    horizon = _horizon()
    if place.occurred_at > timezone.now():
        # A clock stepped back: what follows comes before this place by time. Rather told twice than left out.
        place = Place(horizon - STEPPED_BACK, ZERO_ID)
    later = Q(occurred_at__gt=place.occurred_at) | Q(id__gt=place.event_id)
    rows = Event.objects.filter(later, occurred_at__gte=place.occurred_at, occurred_at__lt=horizon, **filters)
    found = list(rows.order_by("occurred_at", "id")[:MOST_AT_ONCE])
    if len(found) == MOST_AT_ONCE:
        return found, Place(found[-1].occurred_at, found[-1].pk)
    return found, Place(
        max(horizon, place.occurred_at), ZERO_ID if horizon > place.occurred_at else place.event_id
    )


def _horizon() -> datetime:
    """Return the time before which every event is committed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least(clock_timestamp(), min(xact_start)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL"
        )
        moment: datetime = cursor.fetchone()[0]
    return min(moment, timezone.now()) - MARGIN
