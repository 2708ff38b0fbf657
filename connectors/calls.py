"""Run one SDK call and turn whatever it raises into the errors of ``connectors.errors``."""

from collections.abc import Callable
from typing import TypeVar

from connectors.errors import ConnectorError, RejectedError, UnavailableError
from connectors.transport import SendError, StatusError, cut

T = TypeVar("T")

# What the SDKs raise over an answer of the wrong shape, besides their own exceptions: JSON errors are
# ValueErrors, and they index into answers unchecked.
MALFORMED: tuple[type[Exception], ...] = (ValueError, TypeError, AttributeError, LookupError, RecursionError)

_TRANSIENT_4XX = frozenset({408, 425, 429})


def read(
    provider: str,
    operation: str,
    call: Callable[[], T],
    *,
    sdk_errors: tuple[type[Exception], ...] = (),
) -> T:
    """Return the answer of a call that changes nothing at the provider.

    Args:
        sdk_errors: exceptions of the SDK that mean a malformed answer.

    Raises:
        UnavailableError: no answer, a malformed one, a redirect, 408, 425, 429 or 5xx.
        RejectedError: any other 4xx.
    """
    try:
        return call()
    except SendError as exc:
        error: ConnectorError = exc.unavailable(provider, operation, exc.detail, exc.retry_after_seconds)
    except StatusError as exc:
        error = read_error(provider, operation, exc)
    except MALFORMED + sdk_errors as exc:
        error = UnavailableError(provider, operation, malformed_detail(exc))
    # Raised out here: the SDK's exception may hold the key and must not become the context.
    raise error


def read_error(provider: str, operation: str, failure: StatusError) -> ConnectorError:
    """Return the error that a failed read with this status means."""
    status = failure.status_code
    detail = f"HTTP {status}: {failure.message}"
    if 400 <= status < 500 and status not in _TRANSIENT_4XX:
        return RejectedError(provider, operation, detail, status, failure.code)
    return UnavailableError(provider, operation, detail, failure.retry_after_seconds)


def malformed_detail(exc: Exception) -> str:
    """Return a redacted line about an answer of the wrong shape."""
    return cut(f"malformed answer: {type(exc).__name__}: {exc}")
