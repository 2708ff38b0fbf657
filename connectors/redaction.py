"""Remove keys from text before it is stored, logged or shown."""

import logging
import re
import threading
from urllib.parse import quote, quote_plus

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

_registered: frozenset[str] = frozenset()
_registering = threading.Lock()


def register_secret(value: str) -> None:
    """Make ``redact`` remove this literal, also where a URL has it percent-encoded.

    Values shorter than 6 characters are ignored: no key is that short, and words would be blanked.
    """
    global _registered  # replaced whole, so that readers need no lock
    if len(value) < _SHORTEST_SECRET:
        return
    with _registering:
        _registered = _registered | {value, quote(value, safe=""), quote_plus(value)}


def redact(text: str) -> str:
    """Return ``text`` without registered secrets, keys in query strings and headers, and user info."""
    for secret in sorted(_registered, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    text = _QUERY.sub(rf"\1{REDACTED}", text)
    text = _FIELD.sub(rf"\1{REDACTED}", text)
    return _USER_INFO.sub(f"{REDACTED}@", text)


class RedactingFilter(logging.Filter):
    """Redacts every record of the logger or handler that it is added to."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record's message by its redacted text; let the record pass."""
        record.msg, record.args = redact(record.getMessage()), None
        return True
