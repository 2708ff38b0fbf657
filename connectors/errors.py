"""What can go wrong with an outside system, told apart by what the caller must do next."""

from connectors.text import storable


class ConnectorError(Exception):
    """Base of all connector errors; carries who was asked for what.

    Args:
        provider: short provider name, e.g. ``alpaca``.
        operation: what was attempted, e.g. ``submit_order``.
        detail: the provider's words, already redacted (no keys, no query strings); made storable here.
    """

    def __init__(self, provider: str, operation: str, detail: str) -> None:
        detail = storable(detail)
        super().__init__(f"{provider} {operation}: {detail}")
        self.provider = provider
        self.operation = operation
        self.detail = detail


class UnavailableError(ConnectorError):
    """The provider could not serve us and provably did nothing: retry later.

    A failed read is always this; a failed order request only when it was provably not taken
    (connection refused, 429).

    Args:
        retry_after_seconds: the provider's own Retry-After, None where it gave none.
    """

    def __init__(
        self, provider: str, operation: str, detail: str, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(provider, operation, detail)
        self.retry_after_seconds = retry_after_seconds


class HeldBackError(UnavailableError):
    """Our own rate limit let no request out in time: the provider was not asked, and nothing is known of it."""


class MostUnreadableError(UnavailableError):
    """Most rows of a list could not be understood, so the list is no answer; one of its objects may still be."""


class MalformedError(UnavailableError):
    """One object of an answer could not be understood: it says nothing about what it is of.

    Args:
        field: what is not as it should be; "" where it is no object at all.
        value: what stood there, redacted and cut.
    """

    def __init__(self, provider: str, operation: str, field: str, value: str) -> None:
        words = f"field {field} is {value}" if field else f"{operation} is {value}"
        super().__init__(provider, operation, f"malformed answer: {words}")
        self.field = field
        self.value = value


class OtherKindError(MalformedError):
    """A sound object, but of a kind that is not traded here: an option, a spread."""


class RejectedError(ConnectorError):
    """The provider understood and refused: final, a repeat gets the same answer.

    Args:
        status_code: HTTP status, e.g. 422.
        code: the provider's error code, None where it gave none.
    """

    def __init__(
        self, provider: str, operation: str, detail: str, status_code: int, code: int | None = None
    ) -> None:
        super().__init__(provider, operation, detail)
        self.status_code = status_code
        self.code = code


class DuplicateOrderError(RejectedError):
    """The broker already has an order with this client_order_id: look it up and adopt it."""


class OutcomeUnknownError(ConnectorError):
    """An order request may or may not have been taken: look it up before anything else."""


class ConfigurationError(ConnectorError):
    """A connector was given a setting it must not run with, e.g. a live trading address."""
