"""The time a report is about: its sessions, and the account at each one's close.

A session's day runs from the close before it to its own, in market time; of coins alone, a day in UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import connection

from trading.domain.performance.figures import COIN_PERIODS, STOCK_PERIODS
from trading.market.exchange_calendar import NEW_YORK, session_closes
from trading.models import EquitySnapshot

DAY = timedelta(days=1)
JUST_AFTER = timedelta(microseconds=1)  # a sync in the moment of the close belongs to that session

# A stepped market stands still, and stamps what fills some microseconds later: that is in the sync of its moment.
SAME_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The sessions of a report, oldest first, each with the moment it ends.

    ``start`` is the close before the first; None where the time begins with the account's first sync. ``end``: the
    last one's close, None where it goes on until now. ``newest``: market time of the newest sync.
    """

    days: Sequence[tuple[date, datetime]]
    start: datetime | None
    end: datetime | None
    periods: int
    newest: datetime | None = None

    @property
    def bounds(self) -> list[datetime]:
        """The ends of the days, for ``width_bucket``: the number of a moment in it is its day's place in ``days``."""
        return [close + JUST_AFTER for _, close in self.days]


@dataclass(frozen=True, slots=True)
class DayPoint:
    """The account as last synced in a session, USD; ``is_whole``: the session has ended since."""

    day: date
    at: datetime
    equity: Decimal
    cash: Decimal
    is_whole: bool


def span_of(first: date | None, last: date | None) -> Span:
    """Return the sessions from ``first`` to ``last``, inclusive; None: as far as the account is on record."""
    oldest, newest, coins_alone = _on_record()
    begins, ends = _day_of(oldest), _day_of(newest)
    periods = COIN_PERIODS if coins_alone else STOCK_PERIODS
    if begins is None or ends is None or newest is None:
        return Span((), None, None, periods, newest)
    begins = max(first or begins, begins)  # what lies beyond the record has nothing to tell
    ends = min(last or ends, ends + DAY)
    if begins > ends:
        return Span((), newest, newest, periods, newest)  # nothing lies between
    # One more at either end: the close before the first, and the session that is under way.
    days = _closes(begins - 6 * DAY, ends + 6 * DAY, coins_alone=coins_alone)
    before = [close for day, close in days if day < begins]
    wanted = [(day, close) for day, close in days if begins <= day and (last is None or day <= last)]
    if last is None:
        wanted = [each for n, each in enumerate(wanted) if n == 0 or wanted[n - 1][1] < newest]
    end = wanted[-1][1] if last is not None and wanted else None
    return Span(wanted, before[-1] if first is not None and before else None, end, periods, newest)


def points_of(span: Span) -> list[DayPoint]:
    """Return the account at the end of each session in which it was synced, the one under way included."""
    newest = span.newest
    if not span.days or newest is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT place - 1, last.* FROM (SELECT until, place,"
            " LAG(until, 1, '-infinity') OVER (ORDER BY place) AS since"
            " FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS bound (until, place)) AS day"
            " CROSS JOIN LATERAL (SELECT market_time, equity, cash FROM equity_snapshots"
            " WHERE market_time >= day.since AND market_time < day.until"
            " AND market_time > COALESCE(%s::timestamptz, '-infinity')"
            " ORDER BY market_time DESC, sync_sequence DESC NULLS LAST, id DESC LIMIT 1) AS last ORDER BY place",
            [span.bounds, span.start],
        )
        rows = cursor.fetchall()
    return [
        DayPoint(span.days[place][0], at, equity, cash, is_whole=newest >= span.days[place][1])
        for place, at, equity, cash in rows
    ]


def opening_of(span: Span) -> DayPoint | None:
    """Return the account at the start of the time: at the close before it, else as first synced."""
    found = _account_at(span.start) if span.start is not None else None
    if found is None:
        found = EquitySnapshot.objects.order_by("market_time", "sync_sequence").first()
    if found is None:
        return None
    day = found.market_time.astimezone(NEW_YORK).date()
    return DayPoint(day, found.market_time, found.equity, found.cash, is_whole=True)


def last_close_before(moment: datetime) -> datetime:
    """Return the close that a moment's session began with; of coins alone, the start of its day in UTC."""
    day = moment.astimezone(NEW_YORK).date()
    closes = _closes(day - 6 * DAY, day + 6 * DAY, coins_alone=_on_record()[2])
    return max(close for _, close in closes if close < moment)


def opening_bound(span: Span, opening: DayPoint) -> datetime:
    """Return the moment from which on what happened is not in the account at the start.

    Where that is the first sync, what was traded in its very moment came after: a stepped market stands still.
    """
    is_close = span.start is not None and opening.at <= span.start
    return opening.at + JUST_AFTER if is_close else opening.at


def _account_at(moment: datetime) -> EquitySnapshot | None:
    """Return the account as last synced at or before a moment of market time."""
    until = EquitySnapshot.objects.filter(market_time__lte=moment)
    return until.order_by("-market_time", "-sync_sequence").first()


def _on_record() -> tuple[datetime | None, datetime | None, bool]:
    """Return market time of the first and of the newest sync, and whether coins alone were ever traded."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT MIN(market_time) FROM equity_snapshots), (SELECT MAX(market_time) FROM equity_snapshots),"
            " (SELECT COALESCE(bool_and(symbol LIKE '%/%'), false) FROM symbol_books)"
        )
        oldest, newest, coins_alone = cursor.fetchone()
    return oldest, newest, coins_alone


def _closes(first: date, last: date, *, coins_alone: bool) -> list[tuple[date, datetime]]:
    if not coins_alone:
        return session_closes(first, last)
    days = [first + n * DAY for n in range((last - first).days + 1)]
    return [(day, datetime.combine(day + DAY, datetime.min.time(), UTC)) for day in days]


def _day_of(moment: datetime | None) -> date | None:
    return moment.astimezone(NEW_YORK).date() if moment is not None else None
