"""When a price may be used, when two sources disagree, and what the daily bars say of how far prices move."""

import enum
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

SMALLEST, LARGEST = Decimal("1e-12"), Decimal("1e24")  # beyond them a number is a mistake
VOLATILITY_DAYS = 20
FEWEST_RETURNS = 5
NEW_YORK = ZoneInfo("America/New_York")
OPENS_AT, OPENING_ENDS_AT = time(9, 30), time(9, 45)


class NoPrice(enum.StrEnum):
    """Why a symbol has no usable price: the code a decision is skipped with."""

    NO_PRICE = "no_price"
    STALE = "stale_price"
    NO_CLOCK = "no_market_clock"


@dataclass(frozen=True, slots=True)
class Missing:
    """A symbol without a usable price: the code, and in words what each source said."""

    reason: NoPrice
    detail: str


def age_problem(quoted_at: datetime, now: datetime, max_age_seconds: float) -> str:
    """Return why a price of ``quoted_at`` must not be used at market time ``now``; "" when it may.

    Args:
        max_age_seconds: inclusive; the same distance is allowed into the future, for clocks differ.
    """
    age = (now - quoted_at).total_seconds()
    if age > max_age_seconds:
        return f"stale, {age:.0f} s old"
    if age < -max_age_seconds:
        return f"from the future, {-age:.0f} s ahead"
    return ""


def disagreement(first: Decimal, second: Decimal) -> Decimal:
    """Return how far two prices are apart, as a ratio of the first.

    Raises:
        ValueError: one is not positive.
    """
    if not (first > 0 and second > 0):
        raise ValueError(f"prices must be positive, were {first} and {second}")
    return abs(second - first) / first


def daily_volatility(closes: Sequence[Decimal]) -> Decimal | None:
    """Return the standard deviation of daily log returns as a ratio: of twenty days or of all, the larger.

    A calm month does not make a coin calm.

    Args:
        closes: daily closes, the oldest first, without the day whose price is judged: a wrong price would
            widen its own band.

    Returns:
        None with fewer than five returns, or where a close is no price.
    """
    if len(closes) <= FEWEST_RETURNS or not all(map(_is_price, closes)):
        return None
    logs = [math.log(close) for close in closes]
    returns = [after - before for before, after in itertools.pairwise(logs)]
    return Decimal(str(max(_deviation(returns), _deviation(returns[-VOLATILITY_DAYS:]))))


def _is_price(value: Decimal) -> bool:
    return value.is_finite() and SMALLEST <= value <= LARGEST


def _deviation(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def is_opening(at: datetime) -> bool:
    """Return whether ``at`` (aware) is in the first minutes of a stock session, which always begins at 9:30."""
    return OPENS_AT <= at.astimezone(NEW_YORK).time() < OPENING_ENDS_AT
