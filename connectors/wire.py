"""Read fields of a provider's JSON answer, naming the field that is not what it should be."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from connectors.errors import UnavailableError
from connectors.transport import cut


def to_decimal(value: object) -> Decimal | None:
    """Return a finite number from JSON text or number, or None. Floats go through their shortest text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def to_positive(value: object) -> Decimal | None:
    """Return a finite number above 0, or None: a price of 0 is no price (docs/lessons.md#lesson-18)."""
    number = to_decimal(value)
    return number if number is not None and number > 0 else None


def to_time(value: object) -> datetime | None:
    """Return an RFC 3339 time in UTC, nanoseconds cut to microseconds, or None when it is not one."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def from_unix(value: object) -> datetime | None:
    """Return a time in UTC from positive unix seconds, or None when it is not one."""
    seconds = to_positive(value)
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


class Fields:
    """One JSON object of an answer; every reader raises ``UnavailableError`` that names the field.

    Args:
        provider: for the error.
        kind: what the object is, e.g. ``order``.
        value: the object itself.
    """

    def __init__(self, provider: str, kind: str, value: object) -> None:
        self._provider = provider
        self._kind = kind
        if not isinstance(value, dict):
            raise UnavailableError(provider, kind, f"malformed answer: {kind} is {type(value).__name__}")
        self._values = value

    def text(self, name: str) -> str:
        """Return a text that is not empty."""
        value = self._values.get(name)
        if not isinstance(value, str) or not value:
            raise self.malformed(name)
        return value

    def boolean(self, name: str) -> bool:
        """Return true or false, nothing that merely resembles them."""
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise self.malformed(name)
        return value

    def decimal(self, name: str, *, minimum: Decimal | None = None) -> Decimal:
        """Return a finite number, at least ``minimum`` where given."""
        number = to_decimal(self._values.get(name))
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

    def optional_time(self, name: str) -> datetime | None:
        """Return a time in UTC, or None where the field is missing, null or empty."""
        return None if self.is_blank(name) else self.time(name)

    def is_blank(self, name: str) -> bool:
        """Tell whether the field is missing, null or empty."""
        return self._values.get(name) in (None, "")

    def get(self, name: str) -> object:
        """Return the field as it came, None where it is missing."""
        return self._values.get(name)

    def malformed(self, name: str) -> UnavailableError:
        """Return the error that says what the field held."""
        shown = cut(repr(self._values.get(name)))
        return UnavailableError(self._provider, self._kind, f"malformed answer: field {name} is {shown}")


def objects(provider: str, kind: str, value: object) -> list[Fields]:
    """Return the objects of a JSON list.

    Raises:
        UnavailableError: it is no list, or something in it is no object.
    """
    if not isinstance(value, list):
        raise UnavailableError(provider, kind, f"malformed answer: {kind} list is {type(value).__name__}")
    return [Fields(provider, kind, item) for item in value]
