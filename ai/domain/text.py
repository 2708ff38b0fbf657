"""Cleans text that others wrote before it is shown, sent or stored."""

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote

_SPACES = re.compile(r"\s+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_KEY_SHAPES = re.compile(r"(?i)(?<=bearer )[^\s'\"]+|\bsk-[\w-]{6,}|(?<=[?&]key=)[^\s&'\"]+")
# Paths and ARNs are names of models, too; a longer one is refused where it is set.
LONGEST_MODEL_NAME = 500
_SHORTEST_KEY = 6  # as in connectors/redaction.py
_SURELY_A_KEY = 16
# Cf holds the bidi overrides and zero-width characters, Cc the control characters, Cs lone surrogates,
# Co and Cn what no reader can see. Zl and Zp become spaces below.
_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})


def clean_line(text: str, *, limit: int) -> str:
    """Return ``text`` as one visible line of at most ``limit`` characters, an ellipsis where it was cut.

    Control, bidi, zero-width and unassigned characters are removed; back quotes become apostrophes, so that
    the line can close no code fence.
    """
    # A quadruple margin bounds the work on hostile input and still leaves enough after the removals.
    spaced = _SPACES.sub(" ", text[: limit * 4])
    visible = "".join(c for c in spaced if unicodedata.category(c) not in _UNSEEN)
    line = _SPACES.sub(" ", visible.replace("`", "'")).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def storable(text: str) -> str:
    """Return ``text`` with what PostgreSQL cannot hold (NUL, lone surrogates) replaced by U+FFFD."""
    return _SURROGATES.sub("\ufffd", text.replace("\x00", "\ufffd"))


def truncated(text: str, *, limit_bytes: int) -> str:
    """Return ``text``, cut to ``limit_bytes`` of UTF-8 with a note of its size where it is longer."""
    encoded = text.encode()
    if len(encoded) <= limit_bytes:
        return text
    note = f"\n[truncated: the answer had {len(encoded)} bytes]"
    kept = encoded[: limit_bytes - len(note.encode())].decode(errors="ignore")
    return kept + note


def without(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without the ``secrets``, plain or quoted for a URL.

    Dummy keys of local servers are words and figures, "1" or "NA": shorter than 6 characters is no key, and up
    to 15 are removed only where they stand alone.
    """
    for secret in secrets:
        if len(secret) < _SHORTEST_KEY:
            continue
        for form in (secret, quote(secret, safe="")):
            whole = re.escape(form)
            pattern = whole if len(secret) >= _SURELY_A_KEY else rf"(?<![A-Za-z0-9]){whole}(?![A-Za-z0-9])"
            text = re.sub(pattern, "[redacted]", text)
    return text


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without the ``secrets`` and without what looks like an API key: for error texts."""
    return _KEY_SHAPES.sub("[redacted]", without(text, secrets))
