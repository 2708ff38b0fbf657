"""The outbox: log rows that others may see and that the transport has not confirmed yet.

A row is in it from its own transaction's commit on, until ``mark_published``. There is no cursor that could pass
a row which commits late: what is not marked is found, by a partial index that is empty while the relay keeps up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from trading.core.statements.compiled_reads import CompiledRead
from trading.domain.events.public_events import URN, LogRow, cloud_event
from trading.events.signing import signed
from trading.models import AgentStatus, Event

COUNTED_AT_MOST = 100_000
BATCH = 100
_NEXT = CompiledRead(lambda _: Event.objects.unpublished().order_by("position")[:BATCH], of=None)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be published: how many (at most 100,000 are counted), and how old the oldest is."""

    count: int
    oldest: timedelta


def our_source() -> str:
    """Return the URI that names this installation in its events."""
    agent, _ = AgentStatus.objects.get_or_create(pk=1)
    return f"{URN}:{agent.instance_id}"


def published_form(event: Event, *, source: str) -> dict[str, Any]:
    """Return a row of the log as the CloudEvent it is published as, signed.

    Raises:
        ValueError: the row stays inside.
    """
    return signed(unsigned_form(event, source=source))


def unsigned_form(event: Event, *, source: str) -> dict[str, Any]:
    """Return the same for who reads it here.

    Raises:
        ValueError: the row stays inside.
    """
    if event.public_sequence is None:
        raise ValueError(f"type: was {event.type}, expected one that is published")
    row = LogRow(
        id=event.pk,
        type=event.type,
        payload=event.payload,
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        public_sequence=event.public_sequence,
        cycle_id=event.cycle_id,
        causation_id=event.causation_id,
        occurred_at=event.occurred_at,
    )
    return cloud_event(row, source=source)


def next_batch() -> list[Event]:
    """Return what is next, ``BATCH`` at most; per aggregate in order, and nothing before what precedes it."""
    return _NEXT.all()


def mark_published(events: Sequence[Event]) -> None:
    """Take rows out of the outbox; call once the transport has confirmed them."""
    Event.objects.filter(pk__in=[event.pk for event in events]).update(published_at=timezone.now())


def forget_foreign_numbers() -> int:
    """Take the numbers of transactions off events that a backup brought from another cluster; return how many.

    Such a number lies ahead of this cluster's: the event, and what follows in its aggregate, would wait for long.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE events SET transaction_id = NULL"
            " WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())"
        )
        return int(cursor.rowcount)


def backlog() -> Backlog:
    """Return how far publishing is behind."""
    waiting = Event.objects.unpublished()
    count = waiting.order_by()[:COUNTED_AT_MOST].count()
    # The first in line: the minimum would be sought along all events in order of time, from the oldest on.
    oldest = waiting.order_by("position").values_list("occurred_at", flat=True).first() if count else None
    return Backlog(count, timezone.now() - oldest if oldest else timedelta(0))
