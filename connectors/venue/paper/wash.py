"""Wash trades: which order could meet one of the account's own (docs.alpaca.markets, "User Protection")."""

from collections.abc import Iterable
from decimal import Decimal

from connectors.venue.errors import forbidden
from connectors.venue.paper.orders import Order

_LIMITED = frozenset({"limit", "stop_limit"})


def check_wash_trade(
    side: str, order_type: str, limit_price: Decimal | None, opposite: Iterable[Order]
) -> None:
    """Refuse a simple order that could meet an open one of the other side.

    Two orders with a limit meet where the buy's is not below the sell's; any other pair may always. Orders of a
    bracket, OCO or OTO and trailing stops are exempt, on both sides; whoever asks leaves them out of what is new.

    Raises:
        ApiError: 403, with the order it would meet.
    """
    for other in opposite:
        if other.group_id is not None or other.order_type == "trailing_stop":
            continue
        both_limited = order_type in _LIMITED and other.order_type in _LIMITED
        if both_limited and not _cross(side, limit_price, other.limit_price):
            continue
        kind = "limit" if other.order_type in _LIMITED else "market/stop"
        raise forbidden(
            "potential wash trade detected. use complex orders",
            existing_order_id=other.order_id,
            reject_reason=f"opposite side {kind} order exists",
        )


def _cross(side: str, price: Decimal | None, other: Decimal | None) -> bool:
    if price is None or other is None:
        return True
    buy, sell = (price, other) if side == "buy" else (other, price)
    return buy >= sell
