"""Read fields of a provider's JSON answer, naming the field that is not what it should be.

Bounds are those of our columns: what would not fit there is no figure, and no symbol, of ours.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from connectors.errors import MalformedError, OtherKindError
from connectors.rows import LONGEST_ID, LONGEST_SYMBOL, UnreadableRow
from connectors.transport import cut

T = TypeVar("T")

ZERO = Decimal(0)
LARGEST_NUMBER = Decimal(10**12 - 1)
LARGEST_VOLUME = Decimal(10**18 - 1)
SMALLEST_PRICE = Decimal("1e-12")
SMALLEST_QUANTITY = Decimal("1e-9")
FIRST_YEAR, LAST_YEAR = 1970, 2200  # a time outside of these is a placeholder: year 1, say
_LONGEST_TEXT = 500
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./_-]*")


def to_decimal(value: object, *, largest: Decimal = LARGEST_NUMBER) -> Decimal | None:
    """Return a number from JSON text or number, or None: also where it is not finite or beyond ``largest``.

    Floats go through their shortest text.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):  # the second: an int of thousands of digits
        return None
    return number if number.is_finite() and abs(number) <= largest else None


def to_positive(value: object) -> Decimal | None:
    """Return a finite number above 0, or None: a price of 0 is no price (docs/lessons.md#lesson-18)."""
    number = to_decimal(value)
    return number if number is not None and number >= SMALLEST_PRICE else None


def to_time(value: object) -> datetime | None:
    """Return an RFC 3339 time in UTC, nanoseconds cut to microseconds, or None when it is not one."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return _sensible(moment.astimezone(UTC)) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def from_unix(value: object) -> datetime | None:
    """Return a time in UTC from positive unix seconds, or None when it is not one."""
    seconds = to_positive(value)
    if seconds is None:
        return None
    try:
        return _sensible(datetime.fromtimestamp(float(seconds), UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _sensible(moment: datetime) -> datetime | None:
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def is_plain(value: object, longest: int) -> bool:
    """Tell whether it is a text that can be stored: not empty, not too long, without NUL and half characters."""
    if not isinstance(value, str) or not 0 < len(value) <= longest or "\x00" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def is_symbol(value: object) -> bool:
    """Tell whether it looks like a symbol of any instrument: ``BRK.B``, ``BTC/USD``, an option's; not ``n/a``."""
    return isinstance(value, str) and len(value) <= LONGEST_SYMBOL and _SYMBOL.fullmatch(value) is not None


def shown(value: object) -> str:
    """Return what stood in a field, to be read by a person: redacted, cut, odd characters escaped."""
    try:
        return cut(repr(value))
    except (ValueError, RecursionError):  # an int of thousands of digits has no text
        return f"a {type(value).__name__}"


class Fields:
    """One JSON object of an answer; every reader raises ``MalformedError`` that names the field.

    Args:
        provider: for the error.
        kind: what the object is, e.g. ``order``.
        value: the object itself.
    """

    def __init__(self, provider: str, kind: str, value: object) -> None:
        self._provider = provider
        self._kind = kind
        if not isinstance(value, dict):
            raise MalformedError(provider, kind, "", type(value).__name__)
        self._values = value

    def text(self, name: str, *, longest: int = _LONGEST_TEXT) -> str:
        """Return a text that can be stored, not empty, of at most ``longest`` characters."""
        value = self._values.get(name)
        if not isinstance(value, str) or not is_plain(value, longest):
            raise self.malformed(name)
        return value

    def symbol(self, name: str = "symbol") -> str:
        """Return a symbol as the provider spells it."""
        value = self._values.get(name)
        if not isinstance(value, str) or not is_symbol(value):
            raise self.malformed(name)
        return value

    def words(self, name: str) -> str:
        """Return a text of any length and any characters, stripped; "" where the field is missing or null."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.malformed(name)
        return (value or "").strip()

    def identifier(self, name: str) -> str:
        """Return an id, a whole number or a text, as text."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
            return str(value)
        return self.text(name, longest=LONGEST_ID)

    def texts(self, name: str, *, longest: int) -> tuple[str, ...]:
        """Return the texts of a list, without what is none; empty where the field is missing or null."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise self.malformed(name)
        return tuple(item for item in value or () if is_plain(item, longest))

    def boolean(self, name: str) -> bool:
        """Return true or false, nothing that merely resembles them."""
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise self.malformed(name)
        return value

    def decimal(
        self, name: str, *, minimum: Decimal | None = None, largest: Decimal = LARGEST_NUMBER
    ) -> Decimal:
        """Return a finite number, at least ``minimum`` where given, at most ``largest`` without its sign."""
        number = to_decimal(self._values.get(name), largest=largest)
        if number is None or (minimum is not None and number < minimum):
            raise self.malformed(name)
        return number

    def optional_decimal(self, name: str, *, minimum: Decimal | None = None) -> Decimal | None:
        """Return a finite number, or None where the field is missing, null or empty."""
        return None if self.is_blank(name) else self.decimal(name, minimum=minimum)

    def time(self, name: str) -> datetime:
        """Return a time in UTC."""
        moment = to_time(self._values.get(name))
        if moment is None:
            raise self.malformed(name)
        return moment

    def day(self, name: str) -> date:
        """Return a date, written ``2020-10-27``; a moment gives its date."""
        value = self._values.get(name)
        try:
            found = date.fromisoformat(value[:10]) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
            raise self.malformed(name)
        return found

    def unix_time(self, name: str) -> datetime:
        """Return a time in UTC from unix seconds."""
        moment = from_unix(self._values.get(name))
        if moment is None:
            raise self.malformed(name)
        return moment

    def optional_time(self, name: str) -> datetime | None:
        """Return a time in UTC, or None where the field is missing, null or empty."""
        return None if self.is_blank(name) else self.time(name)

    def is_blank(self, name: str) -> bool:
        """Tell whether the field is missing, null or empty."""
        return self._values.get(name) in (None, "")

    def get(self, name: str) -> object:
        """Return the field as it came, None where it is missing."""
        return self._values.get(name)

    def malformed(self, name: str) -> MalformedError:
        """Return the error that says what the field held."""
        return MalformedError(self._provider, self._kind, name, shown(self._values.get(name)))

    def other_kind(self, name: str) -> OtherKindError:
        """Return the error that says that the field names a kind that is not traded here."""
        return OtherKindError(self._provider, self._kind, name, str(self._values.get(name)))

    def unreadable(self, error: MalformedError, *, symbol: str = "") -> UnreadableRow:
        """Return the row that says what is the matter with this object."""
        return unreadable_row(self._values, error, symbol=symbol)


def unreadable_row(raw: object, error: MalformedError, *, symbol: str = "") -> UnreadableRow:
    """Return what can be said of a row that could not be understood.

    Args:
        symbol: known otherwise than by the row.
    """
    row: Mapping[Any, Any] = raw if isinstance(raw, dict) else {}

    def word(name: str, longest: int) -> str:
        value = row.get(name)
        return value if is_plain(value, longest) and isinstance(value, str) else ""

    number = row.get("id")
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 10**18
    return UnreadableRow(
        field=error.field,
        value=error.value,
        row_id=str(number) if is_number else word("id", LONGEST_ID),
        symbol=symbol or (word("symbol", LONGEST_SYMBOL) if is_symbol(row.get("symbol")) else ""),
        client_order_id=word("client_order_id", 128),
        side=word("side", 10),
        other_kind=error.value if isinstance(error, OtherKindError) else "",
    )
