"""JSON in and out: orjson, which reads no NaN, and writes no float where a decimal was meant."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson
from rest_framework import parsers, renderers
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request

from trading.api.problems import Problem

LARGEST_BODY = 1_000_000
OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def encode(content: Any) -> bytes:
    """Return JSON; decimals become strings without exponent."""
    return orjson.dumps(content, default=_default, option=OPTIONS)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


class JSONRenderer(renderers.BaseRenderer):
    """Writes JSON, whatever the client would rather have."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; none where nothing is to be said at all."""
        status = renderer_context["response"].status_code if renderer_context else 200
        return b"" if status in (204, 304) else encode(data)


class JSONParser(parsers.BaseParser):
    """Reads a JSON object and nothing else: no NaN, no broken Unicode, no list, nothing huge."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the object.

        Raises:
            ParseError: it is no JSON, or no object.
            Problem: 413.
        """
        text = stream.read(LARGEST_BODY + 1)
        if len(text) > LARGEST_BODY:
            raise Problem(413, f"The body is larger than {LARGEST_BODY} bytes.")
        try:
            content = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is no JSON: {error}.") from error
        if not isinstance(content, dict):
            raise ParseError("The body is no JSON object.")
        return content


class OnlyJSON(BaseContentNegotiation):
    """What is asked for makes no difference: RFC 9110 lets a server answer in what it has."""

    def select_parser(
        self, request: Request, parsers: Iterable[parsers.BaseParser]
    ) -> parsers.BaseParser | None:
        """Return the one for the body's media type, None (415) where there is none."""
        wanted = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == wanted), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[renderers.BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[renderers.BaseRenderer, str]:
        """Return the only one there is."""
        only = next(iter(renderers))
        return only, str(only.media_type)
