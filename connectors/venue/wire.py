"""How numbers and times are written on the wire: Alpaca's strings, RFC 3339 in UTC."""

import base64
import binascii
from datetime import UTC, date, datetime, time
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
NINE_PLACES = Decimal("0.000000001")
_SEVEN_DIGITS = Context(prec=7, rounding=ROUND_HALF_EVEN)


def number(value: Decimal) -> str:
    """Write a decimal as Alpaca does: plain digits, no exponent, no trailing zeros."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def optional_number(value: Decimal | None) -> str | None:
    """Write a decimal, or None."""
    return None if value is None else number(value)


def price_decimal(price: float, *, is_crypto: bool) -> Decimal:
    """Round a simulated price to what the provider quotes: cents for stocks, seven digits for coins."""
    if is_crypto:
        return _SEVEN_DIGITS.create_decimal_from_float(price)
    places = Decimal("0.01") if price >= 1 else Decimal("0.0001")
    return Decimal(price).quantize(places)


def price_float(price: float, *, is_crypto: bool) -> float:
    """Round as ``price_decimal`` does, for JSON numbers."""
    if is_crypto:
        return float(f"{price:.7g}")
    return round(price, 2 if price >= 1 else 4)


def floor_quantity(quantity: Decimal) -> Decimal:
    """Round a quantity down to nine decimals, the smallest unit the provider keeps."""
    return quantity.quantize(NINE_PLACES, rounding=ROUND_DOWN)


def micros(seconds: float) -> int:
    """Return epoch seconds as whole microseconds."""
    return round(seconds * 1_000_000)


def utc(seconds: float) -> datetime:
    """Return epoch seconds as an aware UTC time."""
    return datetime.fromtimestamp(seconds, UTC)


def stamp(seconds: float) -> str:
    """Write epoch seconds as ``2020-10-15T13:31:00Z``, with microseconds where there are any."""
    return utc(seconds).isoformat().replace("+00:00", "Z")


def stamp_micros(value: int | None) -> str | None:
    """Write epoch microseconds as RFC 3339 in UTC, or None."""
    if value is None:
        return None
    moment = utc(value // 1_000_000).replace(microsecond=value % 1_000_000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def new_york(seconds: float) -> datetime:
    """Return epoch seconds as New York time."""
    return datetime.fromtimestamp(seconds, NEW_YORK)


def parse_time(text: str) -> float:
    """Read RFC 3339, a date (its UTC midnight) or epoch seconds.

    Raises:
        ValueError: the text is none of these.
    """
    cleaned = text.strip().replace(" ", "+")
    if cleaned.replace(".", "", 1).isdigit() and len(cleaned) >= 9:
        return float(cleaned)
    if len(cleaned) == 10:
        return datetime.combine(date.fromisoformat(cleaned), time(), UTC).timestamp()
    moment = datetime.fromisoformat(cleaned)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def encode_token(*parts: object) -> str:
    """Make an opaque page token."""
    return base64.urlsafe_b64encode("|".join(map(str, parts)).encode()).decode()


def decode_token(token: str) -> list[str]:
    """Read a page token.

    Raises:
        ValueError: it is not one of ours.
    """
    try:
        return base64.urlsafe_b64decode(token.encode()).decode().split("|")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("not a page token") from error
