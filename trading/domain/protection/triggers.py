"""When a position that this program watches is to be sold: pure, by one price and one moment."""

from datetime import datetime
from decimal import Decimal

from trading.domain.performance.exit_reasons import ExitReason


def why_to_sell(
    *,
    price: Decimal | None,
    stop_price: Decimal | None,
    target_price: Decimal | None,
    is_trailing: bool,
    now: datetime,
    sell_by: datetime | None,
) -> ExitReason | None:
    """Return the reason for which a long position is to be sold now; None: it is kept.

    A stop goes before a target: of a price that reaches both nobody knows which came first.

    Args:
        price: a fresh one in USD; None: nobody knows it, and only the date counts.
        now: market time, aware.
    """
    if price is not None and stop_price is not None and price <= stop_price:
        return ExitReason.TRAILING_STOP if is_trailing else ExitReason.STOP_LOSS
    if price is not None and target_price is not None and price >= target_price:
        return ExitReason.TAKE_PROFIT
    return ExitReason.TIME_STOP if sell_by is not None and now >= sell_by else None
