"""Which orders the venue takes: the rules of the wire, before the account is looked at."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from connectors.venue.errors import bad_parameter, forbidden
from connectors.venue.wire import NINE_PLACES, number
from connectors.venue.world.model import Instrument, World

MAX_CLIENT_ORDER_ID = 128
CRYPTO_MINIMUM = Decimal(10)
STOCK_MINIMUM = Decimal(1)
_TIMES_IN_FORCE = {True: ("gtc", "ioc"), False: ("day", "gtc")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A well-formed order; exactly one of ``quantity`` and ``notional`` is set."""

    client_order_id: str
    instrument: Instrument
    side: str
    quantity: Decimal | None
    notional: Decimal | None
    time_in_force: str


def read_entry(body: Mapping[str, object], world: World) -> Entry:
    """Read the body of ``POST /v2/orders``.

    Raises:
        ApiError: 422 for what makes no sense, 403 for what the instrument does not allow.
    """
    instrument = _instrument(body, world)
    side = str(body.get("side") or "")
    if side not in ("buy", "sell"):
        raise bad_parameter("side must be buy or sell")
    _check_kind(body)
    quantity, notional = _amount(body, "qty"), _amount(body, "notional")
    if (quantity is None) == (notional is None):
        raise bad_parameter("qty or notional is required, and not both")
    time_in_force = str(body.get("time_in_force") or "")
    _check_time_in_force(instrument, time_in_force, quantity)
    is_whole = quantity is not None and quantity == quantity.to_integral_value()
    if not instrument.fractionable and not is_whole:
        raise forbidden(f'asset "{instrument.symbol}" is not fractionable')
    return Entry(_client_order_id(body), instrument, side, quantity, notional, time_in_force)


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


def _instrument(body: Mapping[str, object], world: World) -> Instrument:
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise bad_parameter("symbol is required")
    instrument = world.by_position_symbol(symbol)
    if instrument is None:
        raise bad_parameter(f'asset "{symbol}" not found')
    return instrument


def _check_kind(body: Mapping[str, object]) -> None:
    kind = body.get("type") or body.get("order_type")
    if kind != "market":
        raise bad_parameter(f"invalid order type {kind}: this venue takes market orders only")
    if body.get("order_class") not in (None, "", "simple"):
        raise bad_parameter("invalid order_class: this venue takes simple orders only")
    if body.get("extended_hours") is True:
        raise bad_parameter("extended hours order must be DAY limit orders")
    for name in ("limit_price", "stop_price", "trail_price", "trail_percent"):
        if body.get(name) is not None:
            raise bad_parameter(f"market orders require no {name}")


def _check_time_in_force(instrument: Instrument, time_in_force: str, quantity: Decimal | None) -> None:
    if time_in_force not in _TIMES_IN_FORCE[instrument.is_crypto]:
        kind = "crypto " if instrument.is_crypto else ""
        raise bad_parameter(f"invalid {kind}time_in_force")
    is_fraction = quantity is None or quantity != quantity.to_integral_value()
    if not instrument.is_crypto and is_fraction and time_in_force != "day":
        raise bad_parameter("fractional orders must be DAY orders")


def _amount(body: Mapping[str, object], name: str) -> Decimal | None:
    given = body.get(name)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise bad_parameter(f"{name} must be a number")
    try:
        value = Decimal(str(given))
    except InvalidOperation as error:
        raise bad_parameter(f"{name} must be a number") from error
    if not value.is_finite() or value <= 0:
        raise bad_parameter(f"{name} must be > 0")
    if value >= Decimal(10) ** 15:
        raise bad_parameter(f"{name} is too large")
    if value != value.quantize(NINE_PLACES):
        raise bad_parameter(f"{name} must be limited to 9 decimal places")
    return value


def _client_order_id(body: Mapping[str, object]) -> str:
    given = body.get("client_order_id")
    if given is None or given == "":
        return str(uuid.uuid4())
    if not isinstance(given, str) or len(given) > MAX_CLIENT_ORDER_ID:
        raise bad_parameter(f"client_order_id must be no more than {MAX_CLIENT_ORDER_ID} characters")
    return given
