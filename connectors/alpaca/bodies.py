"""From our value types to the bodies that Alpaca is sent; pure functions."""

from decimal import Decimal
from typing import Any

from connectors.base import OrderRequest


def order_body(request: OrderRequest) -> dict[str, Any]:
    """Return the body of POST /v2/orders; numbers as text.

    Not the SDK's request models: their ``qty`` is a float, wrong from the 17th digit on (docs/lessons.md#lesson-39).
    """
    body: dict[str, Any] = {
        "symbol": request.symbol,
        "qty": _number(request.quantity),
        "side": request.side.value,
        "type": request.order_type.value,
        "time_in_force": request.time_in_force.value,
        "client_order_id": request.client_order_id,
    }
    for name, price in (("limit_price", request.limit_price), ("stop_price", request.stop_price)):
        if price is not None:
            body[name] = _price(price)
    if request.order_class:
        body["order_class"] = request.order_class.value
    if request.take_profit is not None:
        body["take_profit"] = {"limit_price": _price(request.take_profit)}
    if request.stop_loss is not None:
        body["stop_loss"] = {"stop_price": _price(request.stop_loss)}
    return body


def replacement_body(
    *, client_order_id: str, stop_price: Decimal, limit_price: Decimal | None = None
) -> dict[str, str]:
    """Return the body of PATCH /v2/orders/{id} that gives a stop another price; what it does not name stays."""
    body = {"client_order_id": client_order_id, "stop_price": _price(stop_price)}
    return body if limit_price is None else body | {"limit_price": _price(limit_price)}


def _price(value: Decimal) -> str:
    """Write a price without the zeros that a column adds to it: how many digits it may have is judged by its text."""
    text = _number(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(value: Decimal) -> str:
    return f"{value:f}"
