"""Which orders the venue takes: the rules of the wire, before the account is looked at."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from connectors.venue.errors import bad_parameter, forbidden
from connectors.venue.paper.classes import Levels, read_class
from connectors.venue.paper.fields import (
    PRICES_OF,
    check_price_names,
    read_amount,
    read_percent,
    read_price,
)
from connectors.venue.wire import number
from connectors.venue.world.model import Instrument, World

MAX_CLIENT_ORDER_ID = 128
CRYPTO_MINIMUM = Decimal(10)
STOCK_MINIMUM = Decimal(1)
TIMES_IN_FORCE = {True: ("gtc", "ioc"), False: ("day", "gtc", "ioc")}
_CRYPTO_TYPES = frozenset({"market", "limit", "stop_limit"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-formed order; exactly one of ``quantity`` and ``notional`` is set. Prices in USD, trail as asked."""

    client_order_id: str
    instrument: Instrument
    side: str
    quantity: Decimal | None
    notional: Decimal | None
    time_in_force: str
    order_type: str = "market"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    order_class: str = ""
    levels: Levels | None = None


def read_entry(body: Mapping[str, object], world: World) -> Entry:
    """Read the body of ``POST /v2/orders``.

    Raises:
        ApiError: 422 for what makes no sense, 403 for what the instrument does not allow.
    """
    instrument = _instrument(body, world)
    side = str(body.get("side") or "")
    if side not in ("buy", "sell"):
        raise bad_parameter("side must be buy or sell")
    order_type = _order_type(body, instrument)
    order_class, levels = read_class(body, side, order_type, is_crypto=instrument.is_crypto)
    quantity, notional = read_amount(body, "qty"), read_amount(body, "notional")
    if (quantity is None) == (notional is None):
        raise bad_parameter("qty or notional is required, and not both")
    time_in_force = str(body.get("time_in_force") or "")
    _check_fraction(instrument, quantity, order_type, order_class)
    _check_time_in_force(instrument, time_in_force, quantity, order_type, order_class)
    if not instrument.fractionable and not _is_whole(quantity):
        raise forbidden(f'asset "{instrument.symbol}" is not fractionable')
    if order_class == "oco" and levels is not None:  # its take-profit is the order itself
        body = {**body, "limit_price": None if levels.target is None else str(levels.target)}
    check_price_names(order_type, body)
    is_crypto = instrument.is_crypto
    return Entry(
        read_client_order_id(body),
        instrument,
        side,
        quantity,
        notional,
        time_in_force,
        order_type,
        read_price(body, "limit_price", is_crypto=is_crypto),
        read_price(body, "stop_price", is_crypto=is_crypto),
        read_price(body, "trail_price", is_crypto=is_crypto),
        read_percent(body, "trail_percent"),
        order_class,
        levels,
    )


def check_minimum(entry: Entry, price: Decimal) -> None:
    """Refuse what is worth too little at ``price``: coins from $10 on, parts of a share from $1.

    Raises:
        ApiError: 403, as recorded from a paper account.
    """
    value = entry.notional if entry.quantity is None else entry.quantity * price
    if value is None:
        return
    minimum = CRYPTO_MINIMUM if entry.instrument.is_crypto else STOCK_MINIMUM
    whole = entry.quantity is not None and entry.quantity >= 1 and not entry.instrument.is_crypto
    if value < minimum and not whole and (entry.side == "buy" or entry.notional is not None):
        raise forbidden(
            f"cost basis must be >= minimal amount of order {number(minimum)}", cost_basis=number(value)
        )


def read_client_order_id(body: Mapping[str, object]) -> str:
    """Read an order's own id, or make one where there is none.

    Raises:
        ApiError: 422.
    """
    given = body.get("client_order_id")
    if given is None or given == "":
        return str(uuid.uuid4())
    if not isinstance(given, str) or len(given) > MAX_CLIENT_ORDER_ID:
        raise bad_parameter(f"client_order_id must be no more than {MAX_CLIENT_ORDER_ID} characters")
    return given


def _instrument(body: Mapping[str, object], world: World) -> Instrument:
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise bad_parameter("symbol is required")
    instrument = world.by_position_symbol(symbol)
    if instrument is None:
        raise bad_parameter(f'asset "{symbol}" not found')
    return instrument


def _order_type(body: Mapping[str, object], instrument: Instrument) -> str:
    order_type = str(body.get("type") or body.get("order_type") or "")
    if order_type not in PRICES_OF:
        raise bad_parameter(f"invalid order type {order_type}")
    if instrument.is_crypto and order_type not in _CRYPTO_TYPES:
        raise bad_parameter("invalid order type for crypto order")
    if body.get("extended_hours") is True:
        is_eligible = order_type == "limit" and body.get("time_in_force") == "day"
        raise bad_parameter(
            "extended hours are not traded by this venue"
            if is_eligible
            else "extended hours order must be DAY limit orders"
        )
    return order_type


def _is_whole(quantity: Decimal | None) -> bool:
    return quantity is not None and quantity == quantity.to_integral_value()


def _check_fraction(
    instrument: Instrument, quantity: Decimal | None, order_type: str, order_class: str
) -> None:
    """Refuse parts of a share, and orders by value, where the kind of order knows whole shares only."""
    if quantity is None and order_type != "market":
        raise bad_parameter("notional orders must be market orders")
    if instrument.is_crypto or _is_whole(quantity):
        return
    if order_class:
        raise bad_parameter("fractional orders must be simple orders")
    if order_type == "trailing_stop":
        raise bad_parameter("fractional orders must be market, limit, stop or stop_limit orders")


def _check_time_in_force(
    instrument: Instrument,
    time_in_force: str,
    quantity: Decimal | None,
    order_type: str,
    order_class: str,
) -> None:
    if time_in_force not in TIMES_IN_FORCE[instrument.is_crypto]:
        kind = "crypto " if instrument.is_crypto else ""
        raise bad_parameter(f"invalid {kind}time_in_force")
    if not instrument.is_crypto and not _is_whole(quantity) and time_in_force != "day":
        raise bad_parameter("fractional orders must be DAY orders")
    if time_in_force != "ioc":
        return
    if order_class:
        raise bad_parameter(f"{order_class} orders must be DAY or GTC orders")
    if order_type not in ("market", "limit"):
        raise bad_parameter(f"invalid time_in_force: {order_type} orders must not be IOC orders")
