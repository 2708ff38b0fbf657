"""Remove keys from text before it is stored, logged or shown."""

import logging
import re
import threading
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

REDACTED = "[redacted]"
_SHORTEST_SECRET = 6  # a shorter one would blank ordinary words

_KEY_NAME = (
    r"(?:x[_-]cg[_-](?:demo|pro)[_-]api[_-]key|apca[_-]api[_-](?:key[_-]id|secret[_-]key)"
    r"|x[_-]finnhub[_-](?:token|secret)|(?:api|access|secret|auth)[_-]?(?:key|token)|key[_-]?id"
    r"|client[_-]?secret|authorization|password|passwd|secret|token|key)"
)
_QUERY = re.compile(rf"([?&;]{_KEY_NAME}=)[^&\s'\"<>)]*", re.IGNORECASE)
_FIELD = re.compile(
    rf"((?<![A-Za-z]){_KEY_NAME}\\?['\"]?\s*[:=]\s*\\?['\"]?)(?:(?:Bearer|Basic|Token)\s+)?[^\s'\",;&}}\\]+",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
# An address whose password has a # or / in it is parsed so that the password is the port, and complained of.
_NO_PORT = re.compile(r"(integer value (?:as )?)(?:'[^']*'|\"[^\"]*\")")
_NAME = re.compile(_KEY_NAME, re.IGNORECASE)
_LONGEST_REMEMBERED = 1000
_DEEPEST = 8  # further in, the text of what is there is redacted as a whole

_registered: frozenset[str] = frozenset()
_registering = threading.Lock()


def register_secret(value: str) -> None:
    """Make ``redact`` remove this literal, also where a URL has it percent-encoded.

    Values shorter than 6 characters are ignored: no key is that short, and words would be blanked. So are the names
    that keys stand under: with ``secret`` taken out of ``?secret=…``, nothing would tell that a key follows.
    """
    global _registered  # replaced whole, so that readers need no lock
    if len(value) < _SHORTEST_SECRET or _NAME.fullmatch(value):
        return
    with _registering:
        _registered = _registered | {value, quote(value, safe=""), quote_plus(value)}


def redact(text: str) -> str:
    """Return ``text`` without registered secrets, keys in query strings and headers, and user info."""
    secrets = _registered
    return _remembered(text, secrets) if len(text) <= _LONGEST_REMEMBERED else _redacted(text, secrets)


def _redacted(text: str, secrets: frozenset[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    text = _QUERY.sub(rf"\1{REDACTED}", text)
    text = _FIELD.sub(rf"\1{REDACTED}", text)
    text = _NO_PORT.sub(rf"\1'{REDACTED}'", text)
    return _USER_INFO.sub(f"{REDACTED}@", text)


# Spans and lines repeat the same few hundred texts; a secret registered later makes all of them new.
_remembered = lru_cache(maxsize=2048)(_redacted)


def redact_value(value: Any, *, name: str = "", depth: int = 0) -> Any:
    """Return ``value`` redacted, however deep in mappings and sequences a key sits.

    What stands under a name that says it is a key is removed whole, also in pairs of name and value, as
    headers are listed. Numbers and the like stay as they are; other objects become their redacted text.

    Args:
        name: what the value is stored under.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if _NAME.fullmatch(name):
        return REDACTED
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode(errors="replace"))
    if depth >= _DEEPEST:
        return redact(repr(value))
    if isinstance(value, Mapping):
        return {
            redact(_name_text(key)): redact_value(inner, name=_name_text(key), depth=depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        items = list(value)
        if len(items) == 2 and isinstance(value, list | tuple) and isinstance(items[0], str | bytes):
            pair = ("", items[0]), (_name_text(items[0]), items[1])
            return [redact_value(item, name=title, depth=depth + 1) for title, item in pair]
        return [redact_value(item, depth=depth + 1) for item in items]
    return redact(str(value) if isinstance(value, BaseException | UUID | Decimal | date) else repr(value))


def _name_text(name: object) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


class RedactingFilter(logging.Filter):
    """Redacts every record of the logger or handler that it is added to."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record's message by its redacted text; let the record pass."""
        if isinstance(record.msg, dict):  # structlog's own: redacted already, and rendered later
            return True
        record.msg, record.args = redact(record.getMessage()), None
        return True
