"""Answers to requests refused before Django: problem details at the API's addresses, a line of text elsewhere."""

import orjson

from trading.api.error_pages import is_rest
from trading.api.problems import MEDIA_TYPE, problem_body


def refusal(path: str, status: int, detail: str) -> tuple[str, bytes]:
    """Return the media type and the body."""
    if is_rest(path):
        return MEDIA_TYPE, orjson.dumps(problem_body(status, detail))
    return "text/plain; charset=utf-8", f"{detail}\n".encode()
