"""Orders with fills and trades as the services leave them, for tests of what is counted from them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from tests.factories import make_fill, make_order
from trading.execution.trade_booking import book_trade, sold_unit_cost
from trading.models import Order

OPENED = datetime(2026, 11, 2, 15, tzinfo=UTC)
_minutes = count()


def filled(
    side: str,
    quantity: str,
    price: str,
    *,
    symbol: str = "AAPL",
    pieces: int = 1,
    at: datetime | None = None,
    purpose: str | None = None,
    **overrides: Any,
) -> Order:
    """Write an order that filled at a price in so many pieces; it is not booked yet."""
    total = Decimal(quantity)
    at = at or OPENED + timedelta(minutes=next(_minutes))
    order = make_order(
        symbol=symbol,
        side=side,
        purpose=purpose or ("entry" if side == "buy" else "exit"),
        status="filled",
        quantity=total,
        filled_quantity=total,
        average_price=Decimal(price),
        ended_at=at,
        **overrides,
    )
    for number in range(pieces):
        make_fill(
            order=order,
            quantity=total / pieces,
            price=Decimal(price),
            executed_at=at + timedelta(milliseconds=number),
        )
    return order


def booked(*sold_or_bought: Order) -> None:
    """Book orders one after the other, as the services do."""
    for order in sold_or_bought:
        book_trade(order, unit_cost=sold_unit_cost(order))


def traded(side: str, quantity: str, price: str, **overrides: Any) -> Order:
    """Write an order that filled, and book it."""
    order = filled(side, quantity, price, **overrides)
    booked(order)
    return order
