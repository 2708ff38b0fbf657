"""Orders of several parts: bracket, OCO and OTO, and which prices they may have.

The rules are those of docs.alpaca.markets, "Orders at Alpaca"; the words are those seen of paper accounts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from connectors.venue.errors import bad_parameter, bad_shape
from connectors.venue.paper.fields import CENT, read_price
from connectors.venue.wire import number

CLASSES = ("", "simple", "bracket", "oco", "oto")


@dataclass(frozen=True, slots=True)
class Levels:
    """Where the exits stand, in USD: ``target`` of the take-profit; ``stop``, and ``stop_limit`` of a stop-limit."""

    target: Decimal | None
    stop: Decimal | None
    stop_limit: Decimal | None


def read_class(
    body: Mapping[str, object], side: str, order_type: str, *, is_crypto: bool
) -> tuple[str, Levels | None]:
    """Read an order's class, empty where it is simple, and the levels of its exits.

    Raises:
        ApiError: 422.
    """
    order_class = body.get("order_class") or ""
    if order_class not in CLASSES:
        raise bad_parameter(f"invalid order_class {order_class}")
    if order_class in ("", "simple"):
        if body.get("take_profit") is not None or body.get("stop_loss") is not None:
            raise bad_parameter("simple orders must not have take_profit or stop_loss")
        return "", None
    name = str(order_class)
    if is_crypto:
        raise bad_parameter(f"crypto orders not allowed for advanced order_class: {name}")
    if order_type == "trailing_stop":
        raise bad_parameter("trailing_stop orders must be simple orders")
    levels = _levels(body, name)
    _check_shape(name, side, order_type, levels)
    return name, levels


def check_levels(order_class: str, levels: Levels, base: Decimal, price: Decimal) -> None:
    """Refuse exits on the wrong side of the price: of a long position.

    Args:
        base: the limit of an entry or of an OCO's take-profit, else the market's price.
        price: the market's.

    Raises:
        ApiError: 422, with the price that the refusal is reckoned from.
    """
    target, stop = levels.target, levels.stop
    if target is not None and stop is not None and target <= stop:
        raise bad_parameter("take_profit.limit_price must be > stop_loss.stop_price")
    if target is not None and order_class != "oco" and target < base + CENT:
        raise bad_parameter("take_profit.limit_price must be >= base_price + 0.01", base_price=number(base))
    lowest = min(base, price)
    if stop is not None and stop > lowest - CENT:
        raise bad_parameter("stop_loss.stop_price must be <= base_price - 0.01", base_price=number(lowest))


def check_stop(side: str, stop: Decimal, price: Decimal) -> None:
    """Refuse a stop that the market's price has reached already.

    Raises:
        ApiError: 422.
    """
    if (stop >= price) if side == "sell" else (stop <= price):
        word = "less" if side == "sell" else "greater"
        raise bad_parameter(
            f"stop price must be {word} than current price",
            market_price=number(price),
            stop_price=number(stop),
        )


def _levels(body: Mapping[str, object], order_class: str) -> Levels:
    profit, loss = _part(body, "take_profit"), _part(body, "stop_loss")
    if order_class == "oco" and "limit_price" not in profit:
        profit = {"limit_price": body.get("limit_price")}
    return Levels(
        read_price(profit, "limit_price", is_crypto=False, label="take_profit.limit_price"),
        read_price(loss, "stop_price", is_crypto=False, label="stop_loss.stop_price"),
        read_price(loss, "limit_price", is_crypto=False, label="stop_loss.limit_price"),
    )


def _part(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = body.get(name)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise bad_parameter(f"{name} must be an object")
    return part


def _check_shape(order_class: str, side: str, order_type: str, levels: Levels) -> None:
    if order_class == "oco":
        if order_type != "limit":
            raise bad_shape("oco orders must be limit orders")
        if side == "buy":
            raise bad_parameter("oco orders must be exit orders")
    elif side == "sell":  # a long account's sale closes
        raise bad_parameter(f"{order_class} orders must be entry orders")
    if levels.stop is None and levels.stop_limit is not None:
        raise bad_shape(f"{order_class} orders require stop_loss.stop_price")
    if order_class == "oto":
        if (levels.target is None) == (levels.stop is None):
            raise bad_shape("oto orders require either take_profit.limit_price or stop_loss.stop_price")
        return
    if levels.target is None:
        raise bad_shape(f"{order_class} orders require take_profit.limit_price")
    if levels.stop is None:
        raise bad_shape(f"{order_class} orders require stop_loss.stop_price")
