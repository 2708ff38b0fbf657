"""What the guards judge by, written as the system leaves it; moments are market time."""

from datetime import datetime, timedelta
from decimal import Decimal

from tests.factories import make_equity, make_order, make_trade
from tests.trading.outside import STOCK
from trading.domain.order_ids import Purpose
from trading.market.market_time import market_now
from trading.models import Trade


def market_ago(**units: float) -> datetime:
    """Return the market time so long ago."""
    now = market_now()
    assert now is not None, "the account was never read"
    return now - timedelta(**units)


def sold(at: datetime, symbol: str = STOCK, *, pnl: str = "-5", purpose: Purpose = Purpose.EXIT) -> Trade:
    """Write a booked sale of one share at 100 USD."""
    order = make_order(
        symbol=symbol, side="sell", purpose=purpose, status="filled", filled_quantity=Decimal(1)
    )
    return make_trade(order=order, traded_at=at, realised_pnl=Decimal(pnl))


def bought(at: datetime, symbol: str = STOCK) -> Trade:
    """Write a booked entry of one share at 100 USD."""
    order = make_order(symbol=symbol, status="filled", filled_quantity=Decimal(1))
    return make_trade(order=order, traded_at=at)


def fell(at: datetime, percent: int) -> None:
    """Write equity that fell by so much, and stands again where it was."""
    for minutes, equity in ((-2, 100_000), (0, 100_000 - 1_000 * percent), (1, 100_000)):
        make_equity(equity=Decimal(equity), market_time=at + timedelta(minutes=minutes), sync_sequence=None)
