"""When a position that this program watches is to be sold: pure, by one price and one moment."""

from datetime import datetime
from decimal import Decimal

STOP_LOSS, TRAILING_STOP, TAKE_PROFIT, TIME_STOP = "stop_loss", "trailing_stop", "take_profit", "time_stop"


def why_to_sell(
    *,
    price: Decimal | None,
    stop_price: Decimal | None,
    target_price: Decimal | None,
    is_trailing: bool,
    now: datetime,
    sell_by: datetime | None,
) -> str | None:
    """Return the reason for which a long position is to be sold now; None: it is kept.

    A stop goes before a target: of a price that reaches both nobody knows which came first.

    Args:
        price: a fresh one in USD; None: nobody knows it, and only the date counts.
        now: market time, aware.
    """
    if price is not None and stop_price is not None and price <= stop_price:
        return TRAILING_STOP if is_trailing else STOP_LOSS
    if price is not None and target_price is not None and price >= target_price:
        return TAKE_PROFIT
    return TIME_STOP if sell_by is not None and now >= sell_by else None
