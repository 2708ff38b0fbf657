"""What happened since somebody last looked, in words: entries, exits, denials by reason, acts of people, failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from risk.domain.numbers import ZERO
from trading.models import Event, Trade
from trading.models.event import NEWS
from trading.queries.event_words import line_of

MOST_LINES = 8
LONGEST = timedelta(days=14)  # further back is for the lists
CYCLES_SEARCHED = 200
TIME_OF_A_LINE = len("00:00:00 ")


@dataclass(frozen=True, slots=True)
class Happening:
    """An event in words; ``kind`` and ``pk`` are what it happened to."""

    at: datetime
    words: str
    kind: str
    pk: str


@dataclass(frozen=True, slots=True)
class News:
    """Since ``since``; of each list the newest, and how many there were.

    Args:
        earned: of the exits, USD by average cost.
        denials: how many decisions traded nothing, by reason, the most frequent first; holds are none.
        cycles: how many of them ended, by status.
    """

    since: datetime
    entries: Sequence[Trade]
    entry_count: int
    exits: Sequence[Trade]
    exit_count: int
    earned: Decimal
    denials: Mapping[str, int]
    cycles: Mapping[str, int]
    happenings: Sequence[Happening]
    happening_count: int

    @property
    def is_quiet(self) -> bool:
        """Whether nothing was traded, done or lost."""
        return not (self.entry_count or self.exit_count or self.happening_count)


def news_since(moment: datetime, now: datetime) -> News:
    """Return what happened after a moment of wall time, up to ``LONGEST`` back."""
    since = max(moment, now - LONGEST)
    trades = Trade.objects.filter(booked_at__gt=since).select_related("strategy").order_by("-booked_at")
    entries, exits = trades.filter(realised_pnl=None), trades.exclude(realised_pnl=None)
    entry_count, exit_count, earned = _counted(since)
    events = Event.objects.filter(NEWS, occurred_at__gt=since)
    happenings = [_happening(event) for event in events.order_by("-occurred_at", "-id")[:MOST_LINES]]
    return News(
        since=since,
        entries=list(entries[:MOST_LINES]),
        entry_count=entry_count,
        exits=list(exits[:MOST_LINES]),
        exit_count=exit_count,
        earned=earned,
        denials=_denials(since),
        cycles=_cycles(since),
        happenings=happenings,
        happening_count=events.count() if len(happenings) == MOST_LINES else len(happenings),
    )


def reasons_of_late() -> list[str]:
    """Return why decisions traded nothing in the newest cycles, in alphabetical order; no decision is read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT jsonb_object_keys(COALESCE(metrics -> 'skipped', '{}')) FROM"
            " (SELECT metrics FROM cycles ORDER BY started_at DESC, id DESC LIMIT %s) AS newest ORDER BY 1",
            [CYCLES_SEARCHED],
        )
        return [str(row[0]) for row in cursor.fetchall()]


def _counted(since: datetime) -> tuple[int, int, Decimal]:
    ((entries, exits, earned),) = _rows(
        "SELECT COUNT(*) FILTER (WHERE realised_pnl IS NULL), COUNT(realised_pnl), SUM(realised_pnl)"
        " FROM trades WHERE booked_at > %s",
        since,
    )
    return entries, exits, earned or ZERO


def _denials(since: datetime) -> dict[str, int]:
    """Read from what each cycle counted at its end: no decision is read."""
    rows = _rows(
        "SELECT why, SUM(times::int) FROM cycles, jsonb_each_text(metrics -> 'skipped') AS said (why, times)"
        " WHERE started_at > %s AND why <> 'hold' GROUP BY why ORDER BY 2 DESC, 1",
        since,
    )
    return {str(reason): int(count) for reason, count in rows}


def _cycles(since: datetime) -> dict[str, int]:
    rows = _rows(
        "SELECT status, COUNT(*) FROM cycles WHERE started_at > %s AND ended_at IS NOT NULL"
        " GROUP BY status ORDER BY 2 DESC",
        since,
    )
    return {str(status): int(count) for status, count in rows}


def _rows(statement: str, since: datetime) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [since])
        return list(cursor.fetchall())


def _happening(event: Event) -> Happening:
    line = line_of(event) or event.type.replace(".", " ").replace("_", " ")
    words = line[TIME_OF_A_LINE:].strip() if line[:2].isdigit() else line
    return Happening(event.occurred_at, words, event.aggregate_type, event.aggregate_id)
