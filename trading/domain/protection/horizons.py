"""How long a thesis has, and when a sale goes against it: pure, in sessions."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from trading.domain.prices import NEW_YORK

WEEKEND = (5, 6)
BEFORE_CLOSE, BEFORE_MIDNIGHT = time(15, 45), time(23, 45)


def sessions_held(opened_at: datetime, now: datetime, *, is_coin: bool) -> int:
    """Return in which session of a position ``now`` lies, that of its entry counted as the first.

    A stock's sessions are the weekdays in New York; a holiday counts as one, so that a horizon may end a day early and
    never late. A coin's are days in UTC.

    Args:
        opened_at, now: market time, aware; ``now`` before the entry is in its session.
    """
    if is_coin:
        return max((now.astimezone(UTC).date() - opened_at.astimezone(UTC).date()).days, 0) + 1
    first, last = opened_at.astimezone(NEW_YORK).date(), now.astimezone(NEW_YORK).date()
    days = max((last - first).days, 0)
    weeks, rest = divmod(days, 7)
    weekdays = sum((first + timedelta(days=n)).weekday() not in WEEKEND for n in range(1, rest + 1))
    return 1 + weeks * 5 + weekdays


def sell_by(opened_at: datetime, sessions: int, *, is_coin: bool) -> datetime:
    """Return when a position is sold at the latest: a quarter of an hour before the end of its last session.

    Where the exchange closes early that day, or not opens at all, that has passed when it opens next.

    Args:
        sessions: how many it has, that of its entry counted as the first, as ``sessions_held`` counts.
    """
    if is_coin:
        last = opened_at.astimezone(UTC).date() + timedelta(days=sessions - 1)
        return datetime.combine(last, BEFORE_MIDNIGHT, UTC)
    last, left = opened_at.astimezone(NEW_YORK).date(), sessions - 1
    while left > 0:
        last += timedelta(days=1)
        left -= last.weekday() not in WEEKEND
    return datetime.combine(last, BEFORE_CLOSE, NEW_YORK)


def sessions_left(horizon_sessions: int | None, held: int) -> int | None:
    """Return how many sessions a thesis has, the one at hand counted; 0 where it has passed, None without a horizon."""
    return None if horizon_sessions is None else max(horizon_sessions - held + 1, 0)


def is_against_thesis(
    *,
    price: Decimal | None,
    stop_price: Decimal | None,
    target_price: Decimal | None,
    horizon_sessions: int | None,
    held: int,
) -> bool:
    """Return whether a sale now goes against the thesis: before its last session, with stop and target untouched.

    Without a horizon, or a price, nobody can say that it came too early.

    Args:
        held: in which session of the position it is, as ``sessions_held`` counts.
    """
    if horizon_sessions is None or held >= horizon_sessions or price is None:
        return False
    is_stopped = stop_price is not None and price <= stop_price
    is_reached = target_price is not None and price >= target_price
    return not (is_stopped or is_reached)
