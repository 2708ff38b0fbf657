"""Numbers of an order's body, and which of them may stand there."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from connectors.venue.errors import bad_parameter
from connectors.venue.wire import NINE_PLACES, number

CENT, CENT_FRACTION = Decimal("0.01"), Decimal("0.0001")
PRICES_OF = {
    "market": frozenset[str](),
    "limit": frozenset({"limit_price"}),
    "stop": frozenset({"stop_price"}),
    "stop_limit": frozenset({"limit_price", "stop_price"}),
    "trailing_stop": frozenset({"trail_price", "trail_percent"}),
}
PRICE_NAMES = ("limit_price", "stop_price", "trail_price", "trail_percent")


def read_amount(body: Mapping[str, object], name: str, *, label: str = "") -> Decimal | None:
    """Read a positive number of at most nine decimals, None where it is not given.

    Args:
        label: how a refusal calls it; its name by default.

    Raises:
        ApiError: 422.
    """
    given, said = body.get(name), label or name
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise bad_parameter(f"{said} must be a number")
    try:
        value = Decimal(str(given))
    except InvalidOperation as error:
        raise bad_parameter(f"{said} must be a number") from error
    if not value.is_finite() or value <= 0:
        raise bad_parameter(f"{said} must be > 0")
    if value >= Decimal(10) ** 15:
        raise bad_parameter(f"{said} is too large")
    if value != value.quantize(NINE_PLACES):
        raise bad_parameter(f"{said} must be limited to 9 decimal places")
    return value


def read_price(body: Mapping[str, object], name: str, *, is_crypto: bool, label: str = "") -> Decimal | None:
    """Read a price in USD: of a stock in cents from $1 on, in hundredths of a cent below.

    Raises:
        ApiError: 422, "sub-penny increment" in the provider's words.
    """
    value = read_amount(body, name, label=label)
    if value is not None and not is_crypto and value != value.quantize(tick_size(value)):
        raise bad_parameter(
            f"invalid {label or name} {number(value)}. sub-penny increment does not fulfill minimum pricing criteria"
        )
    return value


def read_percent(body: Mapping[str, object], name: str, *, label: str = "") -> Decimal | None:
    """Read a percentage between 0 and 100, both excluded.

    Raises:
        ApiError: 422.
    """
    value = read_amount(body, name, label=label)
    if value is not None and value >= 100:
        raise bad_parameter(f"{label or name} must be < 100")
    return value


def tick_size(price: Decimal) -> Decimal:
    """Return the smallest step of a stock's price in USD."""
    return CENT if price >= 1 else CENT_FRACTION


def check_price_names(order_type: str, body: Mapping[str, object]) -> None:
    """Refuse prices that the type of order does not know, and the lack of those it needs.

    Raises:
        ApiError: 422.
    """
    known = PRICES_OF[order_type]
    for name in PRICE_NAMES:
        if name not in known and body.get(name) is not None:
            raise bad_parameter(f"{order_type} orders require no {name}")
    if order_type == "trailing_stop":
        if sum(body.get(name) is not None for name in known) != 1:
            raise bad_parameter("trailing_stop orders require either trail_price or trail_percent")
        return
    for name in PRICE_NAMES:
        if name in known and body.get(name) is None:
            raise bad_parameter(f"{order_type} orders require {name}")
