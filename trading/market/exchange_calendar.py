"""When US stocks trade, by the calendar of the New York Stock Exchange."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

EXCHANGE = "XNYS"  # its market identifier code (ISO 10383)
NEW_YORK = ZoneInfo("America/New_York")
WEEKEND = (5, 6)


@dataclass(frozen=True, slots=True)
class TradingDay:
    """The time from one session's close to the next one's, named by the session in it (a date in New York).

    A weekend or a holiday belongs to the session that comes after it. ``has_opened``: that session has begun.
    """

    session: date
    has_opened: bool


def trading_day(at: datetime) -> TradingDay:
    """Return the trading day that ``at`` (aware) lies in; the minute of a close belongs to the next one.

    Beyond what the calendar knows (20 years back, one ahead) it is the date in New York, weekends counted to
    the Monday after them.
    """
    from exchange_calendars.errors import DateOutOfBounds, MinuteOutOfBounds
    from pandas import Timestamp

    try:
        session = _calendar().minute_to_session(Timestamp(at).floor("min"), direction="next")
        return TradingDay(session.date(), bool(_calendar().session_open(session) <= Timestamp(at)))
    except (DateOutOfBounds, MinuteOutOfBounds, ValueError):
        day = at.astimezone(NEW_YORK).date()
        while day.weekday() in WEEKEND:
            day += timedelta(days=1)
        return TradingDay(day, has_opened=day == at.astimezone(NEW_YORK).date())


def is_session(at: datetime) -> bool:
    """Return whether ``at`` (aware) lies in a regular session; holidays and early closes are known.

    Good for 20 years back and one ahead; a time outside is no session.
    """
    from exchange_calendars.errors import MinuteOutOfBounds
    from pandas import Timestamp

    try:
        return bool(_calendar().is_open_at_time(Timestamp(at), side="left"))
    except MinuteOutOfBounds:
        return False


def session_closes(first: date, last: date) -> list[tuple[date, datetime]]:
    """Return each session from ``first`` to ``last`` (dates in New York, inclusive) with the moment of its close.

    Beyond what the calendar knows (20 years back, one ahead) weekdays stand in, until 16:00 in New York.
    """
    from pandas import Timestamp

    calendar = _calendar()
    known_first, known_last = calendar.first_session.date(), calendar.last_session.date()
    found: list[tuple[date, datetime]] = []
    if max(first, known_first) <= min(last, known_last):
        between = calendar.sessions_in_range(
            Timestamp(max(first, known_first)), Timestamp(min(last, known_last))
        )
        found = [(each.date(), calendar.session_close(each).to_pydatetime()) for each in between]
    outside = [
        (first, min(last, known_first - timedelta(days=1))),
        (max(first, known_last + timedelta(days=1)), last),
    ]
    for start, end in outside:
        days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        found += [
            (day, datetime.combine(day, time(16), NEW_YORK)) for day in days if day.weekday() not in WEEKEND
        ]
    return sorted(found)


@lru_cache(maxsize=1)
def _calendar() -> Any:
    """Made when it is first asked for: a second that no process pays while the broker's clock answers."""
    from exchange_calendars import get_calendar

    return get_calendar(EXCHANGE)
