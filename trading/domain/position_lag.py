"""Positions may be behind the broker's own word on an order: what was just bought is not in them yet."""

from datetime import datetime, timedelta
from decimal import Decimal

from trading.domain.ages import is_fresh

LAG = timedelta(seconds=10)  # the longest that positions are taken to be behind; no broker states a figure
FEE_IN_KIND = Decimal("0.01")  # a coin's fee is taken of what was bought


def is_missing(
    *, side: str, filled: Decimal, ended_at: datetime | None, held: Decimal, now: datetime
) -> bool:
    """Tell whether a position seems to be without what an order has just bought.

    Its room must go on to count then, or it would be given out twice. A sale that is missing counts too much.

    Args:
        filled: base units that the order filled; ``held``: what the broker says is held of the symbol.
        ended_at: when the order's end was recorded (wall time).
    """
    if side != "buy" or not is_fresh(ended_at, now, LAG):
        return False
    return held < filled * (1 - FEE_IN_KIND)
