"""How long a thesis has, and when a sale goes against it: pure, in sessions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trading.domain.prices import NEW_YORK

WEEKEND = (5, 6)


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
