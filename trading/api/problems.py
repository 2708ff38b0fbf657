"""Every error is a problem of RFC 9457: what happened, and which field was expected to be what."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
TYPE = "urn:orchestrator:problem:"
BODY = "body"
RETRY_SECONDS = 2
# By status: the last word of the type, and the title.
KINDS: Mapping[int, tuple[str, str]] = {
    400: ("invalid-request", "The request cannot be read"),
    401: ("not-authenticated", "Say who you are"),
    403: ("not-permitted", "You may not do this"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "This cannot be done here"),
    408: ("too-slow", "The request came too slowly"),
    409: ("conflict", "It cannot be done now"),
    413: ("too-large", "The body is too large"),
    415: ("unsupported-media-type", "Only JSON is read"),
    422: ("key-reused", "The key was used for another request"),
    429: ("too-many-requests", "Too many requests"),
    500: ("internal-error", "Something is broken here"),
    502: ("broker-failed", "The broker did not do it"),
    503: ("unavailable", "Something that is needed does not answer"),
}


class Problem(exceptions.APIException):
    """A refusal with everything the client needs to do better.

    Args:
        kind: the last word of ``type``, where it says more than the status.
        errors: ``{field, in, expected}`` each.
        more: further members of the problem, in camelCase.
    """

    def __init__(
        self,
        status_code: int,
        detail: str,
        *,
        kind: str = "",
        errors: Iterable[Mapping[str, Any]] = (),
        retry_after: int | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status_code = status_code
        self.kind = kind
        self.errors = list(errors)
        self.retry_after = retry_after
        self.more = dict(more or {})


def invalid(field: str, expected: str, *, where: str = BODY) -> Problem:
    """Return the problem of one field, parameter or header that cannot be read."""
    error = {"field": field, "in": where, "expected": expected}
    return Problem(400, f"{field}: {expected}", errors=[error])


def problem_body(
    status_code: int, detail: str, *, kind: str = "", errors: list[Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Return the JSON of a problem."""
    usual, title = KINDS.get(status_code, ("error", "It could not be done"))
    return {
        "type": TYPE + (kind or usual),
        "title": title,
        "status": status_code,
        "detail": detail,
        "errors": errors or [],
        **more,
    }


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer any exception of a view with a problem; what nobody expected is logged and says nothing more."""
    response = _answer(error, context)
    response.content_type = MEDIA_TYPE
    return response


def _answer(error: Exception, context: Mapping[str, Any]) -> Response:
    if isinstance(error, Http404):
        return _response(404, str(error) or "There is no such thing.")
    if isinstance(error, PermissionDenied):
        return _response(403, str(error) or "Your groups do not allow it.")
    if isinstance(error, exceptions.ValidationError):
        where = getattr(error, "where", BODY)
        errors = list(_flattened(error.detail, where))
        names = "; ".join(f"{entry['field'] or 'body'}: {entry['expected']}" for entry in errors)
        return _response(400, names, errors=errors)
    if isinstance(error, Problem):
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
        return _response(
            error.status_code,
            str(error.detail),
            kind=error.kind,
            errors=error.errors,
            headers=headers,
            **error.more,
        )
    if isinstance(error, exceptions.APIException):
        return _response(error.status_code, str(error.detail), headers=_headers(error))
    if isinstance(error, (OperationalError, InterfaceError)):
        log.warning("api_without_database", error_type=type(error).__name__)
        return _response(
            503, "The database does not answer.", kind="database", headers={"Retry-After": str(RETRY_SECONDS)}
        )
    request = context.get("request")
    log.error(
        "api_failed", path=getattr(request, "path", ""), method=getattr(request, "method", ""), exc_info=error
    )
    return _response(500, "It was logged; the request may or may not have had an effect.")


def _response(
    status_code: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    return Response(
        problem_body(status_code, detail, **more), status=status_code, headers=dict(headers or {})
    )


def _headers(error: exceptions.APIException) -> dict[str, str]:
    """Return what DRF has to say in headers."""
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


def _flattened(detail: Any, where: str, path: str = "") -> Iterator[dict[str, Any]]:
    """Return one entry for each message, with the way to its field."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            here = "" if name == "non_field_errors" else str(name)
            yield from _flattened(inner, where, ".".join(part for part in (path, here) if part))
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            nested = isinstance(inner, (Mapping, list))
            yield from _flattened(inner, where, f"{path}.{number}" if nested else path)
    else:
        yield {"field": path, "in": where, "expected": str(detail)}
