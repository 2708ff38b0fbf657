"""Market sessions as the labels count them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

from evaluation.domain.outcomes import LabelSpec, Session
from trading.market.exchange_calendar import session_closes

# What lies around the decisions' days: a long weekend before, and the longest horizon with its holidays after.
BEFORE = timedelta(days=7)
AFTER = timedelta(days=2 * max(each.horizon for each in LabelSpec) + 15)


def sessions_around(first: datetime | date, last: datetime | date) -> Sequence[Session]:
    """Return the sessions from a week before ``first`` to the longest horizon after ``last``, in order."""
    start, end = (each.date() if isinstance(each, datetime) else each for each in (first, last))
    return [Session(day, closes_at) for day, closes_at in session_closes(start - BEFORE, end + AFTER)]


def session_numbers(days: Collection[date]) -> Mapping[date, int]:
    """Return the consecutive numbers of all sessions from the first of the days to the last, by day."""
    closes = session_closes(min(days), max(days)) if days else []
    return {day: number for number, (day, _) in enumerate(closes)}
