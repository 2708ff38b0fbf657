"""``Idempotency-Key``: the same key with the same request is done once and answered the same each time."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import orjson
from django.contrib.auth.models import User
from rest_framework.request import Request
from rest_framework.response import Response

from trading.access import idempotency_keys
from trading.access.idempotency_keys import Claim
from trading.api.media import encode
from trading.api.problems import MEDIA_TYPE, Problem, invalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY = re.compile(r"[!-~]{1,255}")
EXPECTED = "Expected 1 to 255 visible ASCII characters, e.g. a UUID."
RETRY_SECONDS = 1

Handler = TypeVar("Handler", bound=Callable[..., Response])


def idempotent(handler: Handler) -> Handler:
    """Wrap a view's method, so that a request with a key is done once."""

    @wraps(handler)
    def _once(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return handler(view, request, *args, **kwargs)
        if not KEY.fullmatch(key):
            raise invalid(HEADER, EXPECTED, where="header")
        body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
        claimed = idempotency_keys.claim(
            user=cast("User", request.user),
            key=key,
            fingerprint=idempotency_keys.fingerprint(str(request.method), request.get_full_path(), body),
        )
        if claimed.claim is not Claim.TAKEN:
            return _known(claimed)
        return _recorded(claimed, lambda: _answered(handler, view, request, *args, **kwargs))

    return cast("Handler", _once)


def _known(claimed: idempotency_keys.Claimed) -> Response:
    """Answer a request whose key is taken."""
    row = claimed.row
    if claimed.claim is Claim.OTHER_REQUEST:
        error = {"field": HEADER, "in": "header", "expected": "Expected a new key for a new request."}
        raise Problem(422, f"The key {row.key} was used for another request.", errors=[error])
    if claimed.claim is Claim.UNDER_WAY:
        raise Problem(
            409,
            "A request with this key is being done; ask again for its answer.",
            kind="request-under-way",
            retry_after=RETRY_SECONDS,
        )
    return _response(row.status or 200, row.answer, headers={REPLAYED: "true"})


def _answered(
    handler: Callable[..., Response], view: Any, request: Request, *args: Any, **kwargs: Any
) -> Response:
    try:
        return handler(view, request, *args, **kwargs)
    except Exception as error:  # noqa: BLE001 - an error is an answer, too: the view's own handler makes it one
        return cast("Response", view.handle_exception(error))


def _recorded(claimed: idempotency_keys.Claimed, work: Callable[[], Response]) -> Response:
    """Do the work and keep its answer; what failed on our side may be tried again."""
    response = work()
    if response.status_code >= 500:
        idempotency_keys.give_back(claimed.row)
        return response
    answer = orjson.loads(encode(response.data))
    idempotency_keys.record_answer(claimed.row, status=response.status_code, answer=answer)
    return response


def _response(status: int, answer: Any, headers: dict[str, str]) -> Response:
    return Response(
        answer, status=status, headers=headers, content_type=MEDIA_TYPE if status >= 400 else None
    )
