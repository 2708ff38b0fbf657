"""What happened since somebody last looked, in words: entries, exits, denials by reason, acts of people, failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection

from trading.models import Event, Trade
from trading.models.event import NEWS, NEWS_TYPES
from trading.queries.event_words import text_of

MOST_LINES = 8
LONGEST = timedelta(days=14)  # further back is for the lists
CYCLES_SEARCHED = 200
_COUNTS = """
WITH traded AS (SELECT COUNT(*) FILTER (WHERE exit_reason = '') AS entries,
                       COUNT(*) FILTER (WHERE exit_reason <> '') AS exits,
                       COALESCE(SUM(realised_pnl), 0) AS earned FROM trades WHERE booked_at > %(since)s),
     ended AS (SELECT status, metrics FROM cycles WHERE started_at > %(since)s AND ended_at IS NOT NULL),
     denied AS (SELECT why, SUM(times::int) AS times
                FROM ended, jsonb_each_text(metrics -> 'skipped') AS said (why, times) WHERE why <> 'hold' GROUP BY why)
SELECT 'trades', 'entries', entries::numeric FROM traded UNION ALL SELECT 'trades', 'exits', exits FROM traded
UNION ALL SELECT 'trades', 'earned', earned FROM traded
UNION ALL (SELECT 'denials', why, times FROM denied ORDER BY times DESC, why)
UNION ALL (SELECT 'cycles', status, COUNT(*) FROM ended GROUP BY status ORDER BY 3 DESC)
UNION ALL SELECT 'events', 'all', COUNT(*) FROM events WHERE type = ANY(%(kinds)s) AND occurred_at > %(since)s
"""


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
        earned: of the exits, USD by average cost; of one whose position was seen after it was sold nothing is known.
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
    trades = Trade.objects.filter(booked_at__gt=since).order_by("-booked_at", "-pk")
    entries, exits = trades.filter(exit_reason=""), trades.exclude(exit_reason="")
    newest = [kind.values("pk")[:MOST_LINES] for kind in (entries, exits)]
    shown = list(trades.filter(pk__in=newest[0].union(newest[1], all=True)).select_related("strategy"))
    events = Event.objects.filter(NEWS, occurred_at__gt=since).order_by("-occurred_at", "-id")
    counts = _counted(since)
    traded = counts["trades"]
    return News(
        since=since,
        entries=[trade for trade in shown if not trade.exit_reason],
        entry_count=int(traded["entries"]),
        exits=[trade for trade in shown if trade.exit_reason],
        exit_count=int(traded["exits"]),
        earned=traded["earned"],
        denials={reason: int(count) for reason, count in counts["denials"].items()},
        cycles={status: int(count) for status, count in counts["cycles"].items()},
        happenings=[_happening(event) for event in events[:MOST_LINES]],
        happening_count=int(counts["events"]["all"]),
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


def _counted(since: datetime) -> dict[str, dict[str, Decimal]]:
    """Return how many of each, in one statement; denials as each cycle counted them at its end: no decision is read."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {"since": since, "kinds": list(NEWS_TYPES)})
        found: dict[str, dict[str, Decimal]] = {"trades": {}, "denials": {}, "cycles": {}, "events": {}}
        for part, name, count in cursor.fetchall():
            found[part][name] = count
        return found


def _happening(event: Event) -> Happening:
    words = text_of(event) or event.type.replace(".", " ").replace("_", " ")
    return Happening(event.occurred_at, words.strip(), event.aggregate_type, event.aggregate_id)
