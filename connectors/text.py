"""Text from outside, made what can be stored and shown: PostgreSQL refuses NUL and lone surrogates, in JSON too.

A headline that ends in half an emoji is still a headline: the odd character is replaced by U+FFFD, the rest is kept.
"""

import re
from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\ufffd"
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_ODD_IN_JSON = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\\[bf]|\\u(?:00[0189]|007[fF]|[dD][89a-fA-F])")
# The parts of JSON text that matter here, each whole: so that a backslash that is escaped itself begins no escape,
# and the two halves of a pair stay together.
_PART = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|(?P<control>\\[bf]|\\u00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F]))"
    rb"|(?P<escape>\\[^\x00-\x1f\x7f])"
    rb"|(?P<space>[\t\n\r])"
    rb"|(?P<raw>[\x00-\x1f\x7f]|\xc2[\x80-\x9f])"
)
_ESCAPED = rb"\ufffd"
_AS_IS = frozenset({"pair", "escape"})


def storable(text: str) -> str:
    """Return ``text`` with control characters (but tab and line ends) and lone surrogates replaced by U+FFFD."""
    if text.isascii() and text.isprintable():  # as nearly all is; it is known sooner
        return text
    return _ODD.sub(REPLACEMENT, text)


def storable_value(value: Any) -> Any:
    """Return a JSON value with every text in it, names too, as ``storable`` has it; all else as it is."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable_value(name): storable_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable_value(inner) for inner in value]
    return value


def storable_json(body: bytes) -> bytes:
    """Return JSON text in which no string holds what ``storable`` replaces, whether escaped or raw.

    Raw control characters, which JSON forbids, become readable with it: tab and line ends as spaces, the others as
    U+FFFD; so do bytes that are no UTF-8. What is no JSON stays of the same kind.
    """
    if _ODD_IN_JSON.search(body):
        body = _PART.sub(_replaced, body)
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace").encode()
    return body


def _replaced(part: re.Match[bytes]) -> bytes:
    kind = part.lastgroup or ""
    if kind in _AS_IS:
        return part[0]
    return b" " if kind == "space" else _ESCAPED
