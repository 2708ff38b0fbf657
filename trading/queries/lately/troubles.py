"""What went wrong lately, in words, with what to do about each: from the log of events, by its index of news."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trading.domain.events.notices import Notice, notice_of
from trading.events.outbox import unsigned_form
from trading.models import Event
from trading.models.event import NEWS
from trading.queries.event_words import text_of

TROUBLES = (
    "books.differ",
    "clock.stepped",
    "cycle.fail",
    "disk.low",
    "kill_switch.engaged",
    "kill_switch.sender_fenced",
    "lock.stuck",
    "order.reject",
    "saga.fail",
    "schedule.disabled",
    "sync.overdue",
)
MOST_SHOWN = 25
SEE_THE_ORDER = "Look at the order: the broker says why. The next decision on the symbol is judged anew."


@dataclass(frozen=True, slots=True)
class Trouble:
    """One of them; ``kind`` and ``pk`` are what it happened to, ``advice`` is what to do and where."""

    at: datetime
    title: str
    line: str
    advice: str
    kind: str
    pk: str


def latest_troubles() -> Sequence[Trouble]:
    """Return the newest, the newest first."""
    events = Event.objects.filter(NEWS, type__in=TROUBLES).order_by("-occurred_at", "-id")[:MOST_SHOWN]
    return [_trouble(event) for event in events]


def _trouble(event: Event) -> Trouble:
    told = _notice(event)
    line = told.line if told else (text_of(event) or "").strip()
    advice = told.advice if told else SEE_THE_ORDER if event.type == "order.reject" else ""
    title = told.title if told else event.type.replace(".", " ").replace("_", " ")
    return Trouble(event.occurred_at, title, line, advice, event.aggregate_type, event.aggregate_id)


def _notice(event: Event) -> Notice | None:
    """Return what a person is told of it where it is published; None where it stays inside or needs nobody."""
    if event.public_sequence is None:
        return None
    published = unsigned_form(event, source="console")
    return notice_of(published["type"], published["data"])
