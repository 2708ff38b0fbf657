"""Conditions of the system that begin and end (disk low, sync overdue): one event at each begin, one at each end.

What is published of them becomes a notice (domain/events/notices.py). The log alone remembers how it stood, so a
restart says nothing twice. No row is locked: a process that was stopped may hold any; two that write at once meet in
the sequence, and one of them has written it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from trading.core.statements.together import read_together
from trading.core.transitions import append_event
from trading.models import Event

log = structlog.get_logger(__name__)
AGGREGATE = "watch"


@dataclass(frozen=True, slots=True)
class Condition:
    """A trouble by name, and the types of the events of its beginning and its end."""

    name: str
    begins: str
    ends: str


SCHEDULE = Condition("schedule", "schedule.disabled", "schedule.enabled")
SYNC = Condition("sync", "sync.overdue", "sync.recovered")
LOCKS = Condition("locks", "lock.stuck", "lock.freed")
DISK = Condition("disk", "disk.low", "disk.recovered")
ALL = (SCHEDULE, SYNC, LOCKS, DISK)


def has_begun(condition: Condition) -> bool:
    """Return whether it has begun and not ended, as written down."""
    return _told_of(condition).values_list("type", flat=True).first() == condition.begins


def begun() -> frozenset[str]:
    """Return the names of those that have, all read at once."""
    read = read_together({each.name: _told_of(each).only("pk", "type")[:1] for each in ALL})
    return frozenset(each.name for each in ALL if read[each.name] and read[each.name][0].type == each.begins)


def _told_of(condition: Condition) -> QuerySet[Event]:
    """Return its events, the last first."""
    return Event.objects.filter(aggregate_type=AGGREGATE, aggregate_id=condition.name).order_by("-sequence")


def begin(condition: Condition, *, reason: str, **facts: str | float) -> bool:
    """Write down that it has begun, unless that is written; return whether this call did."""
    return not has_begun(condition) and _write(condition, condition.begins, {"reason": reason[:500], **facts})


def end(condition: Condition, *, reason: str) -> bool:
    """Write down that it is over, where its beginning is written; return whether this call did."""
    return has_begun(condition) and _write(condition, condition.ends, {"reason": reason[:500]})


def _write(condition: Condition, event_type: str, payload: Mapping[str, str | float]) -> bool:
    try:
        with transaction.atomic():
            append_event(
                aggregate_type=AGGREGATE,
                aggregate_id=condition.name,
                event_type=event_type,
                payload=payload,
                cycle_id=None,
            )
    except IntegrityError:
        return False
    log.warning("condition", condition=condition.name, type=event_type, **payload)
    return True
