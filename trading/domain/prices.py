"""When a price may be used, and when two sources disagree."""

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


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
