"""The HTTP session every provider SDK is given, and what it reports when a request fails.

The SDKs classify failures differently or not at all (one waits for ever, one retries orders, one drops
the status). So the session decides: it raises ``SendError`` where no whole answer came and
``StatusError`` for any status from 300 up; neither is an exception an SDK knows, so both pass through.
"""

import http.client
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from time import monotonic, time
from typing import Any, TypeGuard

import requests
import urllib3.exceptions
from urllib3.util import Timeout

from connectors.deadline import DeadlineAdapter
from connectors.departure import current_departure
from connectors.errors import HeldBackError, UnavailableError
from connectors.redaction import RedactingFilter, redact
from connectors.text import storable, storable_json
from connectors.throttle.base import NoSlotError, Priority, Report, RequestOutcome, Throttle, Unthrottled

_LONGEST_DETAIL = 300
_CONNECTIONS = 16
_SHORTEST_SECONDS = 0.05
_NOT_SERVED = frozenset({408, 425})
_PAUSING = frozenset({429, 503})
_DECIDED_HERE = frozenset({"timeout", "allow_redirects"})
_POOL_PREFIX = re.compile(r"^\w+\(host=[^)]*\): ")
_QUERY_STRING = re.compile(r"\?[^\s'\")]+")
_no_later_than: ContextVar[float | None] = ContextVar("no_later_than", default=None)

# At debug level it logs every address with its query string, where two of the providers want their key.
logging.getLogger("urllib3.connectionpool").addFilter(RedactingFilter())


class SendError(Exception):
    """No whole answer came.

    Args:
        detail: what happened, redacted.
        sent: False only when provably not a byte of the request left this machine.
        retry_after_seconds: when a slot may be free, where none was; else None.
        is_held_back: our own rate limit did not let it out.
    """

    def __init__(
        self,
        detail: str,
        *,
        sent: bool,
        retry_after_seconds: float | None = None,
        is_held_back: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.sent = sent
        self.retry_after_seconds = retry_after_seconds
        self.is_held_back = is_held_back

    @property
    def unavailable(self) -> type[UnavailableError]:
        """The error that a request which has not left, or a failed read, means."""
        return HeldBackError if self.is_held_back else UnavailableError


class StatusError(Exception):
    """The provider answered with a status from 300 up.

    Args:
        message: the provider's words, redacted and cut.
        code: its error code, None where it gave none.
        is_json: the answer was a JSON object, so it came from the provider and not from a proxy.
        retry_after_seconds: from Retry-After, or from X-RateLimit-Reset with a 429.
    """

    def __init__(
        self,
        status_code: int,
        message: str,
        code: int | None,
        *,
        is_json: bool,
        retry_after_seconds: float | None,
    ) -> None:
        super().__init__(f"HTTP {status_code}: {message}")
        self.status_code = status_code
        self.message = message
        self.code = code
        self.is_json = is_json
        self.retry_after_seconds = retry_after_seconds


def _read_priority(method: str, url: str) -> Priority:
    return Priority.READ


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Have all requests of this block end within ``seconds`` from now, whatever each may take by itself."""
    outer, ends_at = _no_later_than.get(), monotonic() + seconds
    token = _no_later_than.set(ends_at if outer is None else min(outer, ends_at))
    try:
        yield
    finally:
        _no_later_than.reset(token)


class BoundedSession(requests.Session):
    """A session bound to one origin, with total time limits, no retries, redirects, proxies or cookies.

    Every request goes through its throttle first, and may wait there for half of its total time.

    Safe for the threads of a worker: no state changes after construction but the connection pool, which keeps 16.

    Args:
        base_url: the only origin it talks to; anything else has no adapter and is refused.
        connect_timeout_seconds: for lookup and connection, for the TLS handshake and for sending, each; cut
            to a third of the total, so that the three cannot exceed it.
        total_timeout_seconds: from the call to the last byte in, the wait for a slot included.
        throttle: rate limit and breaker; None: none, for tests of an adapter alone.
        priority: from method and address, where not everything is a read.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout_seconds: float,
        total_timeout_seconds: float,
        throttle: Throttle | None = None,
        priority: Callable[[str, str], Priority] = _read_priority,
    ) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, no .netrc: keys go to the provider alone
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.adapters.clear()
        self.mount(_origin(base_url), DeadlineAdapter(connections=_CONNECTIONS))
        self._connect_timeout_seconds = min(connect_timeout_seconds, total_timeout_seconds / 3)
        self._total_timeout_seconds = total_timeout_seconds
        self._throttle = throttle or Unthrottled()
        self._priority = priority

    def request(  # type: ignore[override]  # the SDKs pass keywords; spelling all 16 out adds nothing
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """Send one request and return its answer below 300.

        Raises:
            SendError: no whole answer.
            StatusError: an answer with a status from 300 up.
        """
        began = monotonic()
        ends_at = _no_later_than.get()
        total_seconds = self._total_timeout_seconds
        if ends_at is not None:
            total_seconds = min(total_seconds, ends_at - began)
        if total_seconds < _SHORTEST_SECONDS:
            raise SendError("no time is left for this request", sent=False)
        try:
            slot = self._throttle.admit(
                self._priority(method, url),
                patience_seconds=total_seconds / 2,
                lease_seconds=2 * total_seconds,
            )
        except NoSlotError as exc:
            wait, is_ours = exc.retry_after_seconds, exc.is_own_limit
            raise SendError(exc.detail, sent=False, retry_after_seconds=wait, is_held_back=is_ours) from None
        report = Report(RequestOutcome.FAILED, "interrupted")
        try:
            response, failure, report = self._send(
                method, url, options, total_seconds - (monotonic() - began)
            )
        except BaseException:
            departure = current_departure()
            if departure is not None and departure.is_refused:
                report = Report(RequestOutcome.WITHDRAWN)
            raise
        finally:
            slot.close(report)
        if failure is None:
            return response
        # Raised out here so that the SDK's exception, whose text holds the key, is not its context.
        raise failure

    def _send(
        self, method: str, url: str, options: dict[str, Any], total_seconds: float
    ) -> tuple[requests.Response, Exception | None, Report]:
        """Send, and return the answer or the failure, and what the throttle is to know."""
        connect_seconds = min(self._connect_timeout_seconds, total_seconds / 3)
        timeout = Timeout(connect=connect_seconds, total=total_seconds)
        within: dict[str, Any] = {"timeout": timeout, "verify": self.verify, "cert": self.cert}
        within |= {"proxies": {}, "stream": False, "allow_redirects": False}
        try:
            # ``requests.Session.send`` is what tracing wraps; it reads the answer to its last byte, within its time.
            response = self.send(self._prepared(method, url, **options), **within)
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
        ) as exc:
            unsent = SendError(_describe(exc), sent=_may_have_left(exc))
            outcome = RequestOutcome.FAILED if unsent.sent else RequestOutcome.UNSENT
            return requests.Response(), unsent, Report(outcome, unsent.detail)
        if response.status_code < 300:
            response._content = storable_json(response.content)
            return response, None, _report(response, None)
        failure = _status_failure(response)
        return response, failure, _report(response, failure)

    def _prepared(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | str | None = None,
        data: Any = None,
        json: Any = None,  # as the SDKs name it
        **others: Any,
    ) -> requests.PreparedRequest:
        """Return the request as ``requests.Session`` prepares it, which spends a third of a request on merging what is
        none of ours: cookies, hooks, files and the environment.

        Args:
            others: what an SDK wants of time limits and redirects; that is decided here.
        """
        if odd := others.keys() - _DECIDED_HERE:
            raise TypeError(f"request: was given {', '.join(sorted(odd))}, expected none of it")
        own: Any = self.params
        if own and not isinstance(params, str):
            params = {**own, **(params or {})}
        merged = {**self.headers, **(headers or {})}
        request = requests.PreparedRequest()
        request.prepare_method(method.upper())
        request.prepare_url(url, params or "")
        request.prepare_headers({name: value for name, value in merged.items() if value is not None})
        request.prepare_body(data, None, json)
        request.prepare_auth(None)
        request._cookies = self.cookies  # type: ignore[attr-defined]  # not in its stubs; read where it is redirected
        return request


def _report(response: requests.Response, failure: StatusError | None) -> Report:
    """Return what an answer says about the provider's limit and health."""
    status, retry_after = response.status_code, failure.retry_after_seconds if failure else None
    outcome = RequestOutcome.FAILED if status >= 500 or status in _NOT_SERVED else RequestOutcome.ANSWERED
    outcome = RequestOutcome.LIMITED if status == 429 else outcome
    remaining, reset = (
        response.headers.get(name, "").strip() for name in ("X-RateLimit-Remaining", "X-RateLimit-Reset")
    )
    return Report(
        outcome,
        str(failure) if failure else "",
        retry_after if status in _PAUSING else None,
        remaining=int(remaining) if remaining.isascii() and remaining.isdigit() else None,
        reset_at=float(reset) if reset.isascii() and reset.isdigit() else None,
    )


def retry_after_seconds(headers: Mapping[str, str], *, status_code: int, now: float) -> float | None:
    """Return how long the provider asks to wait, from 0 up, or None where it does not say.

    Args:
        headers: Retry-After in seconds or as an HTTP date; X-RateLimit-Reset in unix seconds.
        now: unix seconds.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return float(value)
    if value:
        try:
            return max(0.0, _as_utc(parsedate_to_datetime(value)).timestamp() - now)
        except ValueError:
            return None
    reset = headers.get("X-RateLimit-Reset", "").strip()
    if status_code == 429 and reset.isascii() and reset.isdigit():
        return max(0.0, float(reset) - now)
    return None


def _origin(base_url: str) -> str:
    scheme, _, rest = base_url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/"


def _as_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _describe(exc: Exception) -> str:
    """Return what happened, without the library's wrapping, the address and its query string."""
    inner = exc.args[0] if exc.args else exc
    reason = getattr(inner, "reason", None) or exc
    text = _QUERY_STRING.sub("", _POOL_PREFIX.sub("", str(reason)))
    return cut(f"{type(reason).__name__}: {text}")


def cut(text: str) -> str:
    """Return ``text`` redacted, without what cannot be stored, and at most 300 characters long."""
    text = storable(redact(text))
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"


def _may_have_left(exc: Exception) -> bool:
    """Tell whether a byte of the request may have reached the network."""
    if isinstance(exc, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
        return False
    if not isinstance(exc, requests.ConnectionError) or not exc.args:
        return True
    reason = getattr(exc.args[0], "reason", None)
    return not isinstance(
        reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError
    )


def _status_failure(response: requests.Response) -> StatusError:
    try:
        body: object = json.loads(storable_json(response.content))
    except (ValueError, RecursionError):
        body = None
    message, code = _message_and_code(body)
    return StatusError(
        response.status_code,
        cut(message or response.text or response.reason or "no message"),
        code,
        is_json=isinstance(body, dict),
        retry_after_seconds=retry_after_seconds(
            response.headers, status_code=response.status_code, now=time()
        ),
    )


def _message_and_code(body: object) -> tuple[str, int | None]:
    """Read the error shapes of Alpaca, Finnhub and CoinGecko."""
    if not _is_object(body):
        return "", None
    nested = body.get("status")
    source = nested if _is_object(nested) else body
    for name in ("message", "error_message", "error"):
        message = source.get(name)
        if message:
            break
    code = source.get("code", source.get("error_code"))
    text = message if isinstance(message, str) else json.dumps(message or body)
    return text, code if isinstance(code, int) and not isinstance(code, bool) else None


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
