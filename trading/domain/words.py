"""Stored values as a person reads them."""

import re
from datetime import UTC, datetime

STABLE_WORD = re.compile(r"[a-z0-9]+(_[a-z0-9]+)+")


def in_words(value: object) -> str:
    """Return a value in words: ``-`` where there is none, lists with commas."""
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def without_lines(text: str) -> str:
    """Return a stable word as people write it, ``stop_loss`` as stop loss; any other text stays as it is."""
    return text.replace("_", " ") if STABLE_WORD.fullmatch(text) else text


def to_the_minute(text: str) -> str:
    """Return a stored moment (ISO 8601) as people write it: 2026-12-01 06:41 UTC; any other text stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%d %H:%M} UTC"
