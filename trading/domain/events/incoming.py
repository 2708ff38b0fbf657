"""A message from outside as a CloudEvent: read strictly, because whoever can publish can write anything."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trading.errors import BadEventError

LONGEST_BODY = 256 * 1024
LONGEST = 200
LONGEST_AGGREGATE = 140
SEQUENCE = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """A CloudEvent as it came; ``sequence`` is None where its sender does not count."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime | None
    sequence: int | None
    data: Mapping[str, Any]


def parse_event(text: str) -> IncomingEvent:
    """Return the event in ``text``.

    Raises:
        BadEventError: it is none; the message names the attribute and what was expected.
    """
    if len(text) > LONGEST_BODY:
        raise BadEventError("body", f"has {len(text)} characters, expected at most {LONGEST_BODY}")
    try:
        raw = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadEventError("body", f"is no JSON: {error}") from error
    if not isinstance(raw, dict):
        raise BadEventError("body", "was no JSON object, expected a CloudEvent")
    if raw.get("specversion") != "1.0":
        raise BadEventError("specversion", f"was {_shown(raw.get('specversion'))}, expected '1.0'")
    data = raw.get("data")
    if not isinstance(data, dict):
        raise BadEventError("data", f"was {_shown(data)}, expected an object")
    return IncomingEvent(
        id=_printable(raw, "id"),
        source=_printable(raw, "source"),
        type=_printable(raw, "type"),
        subject=_printable(raw, "subject", longest=LONGEST_AGGREGATE) if "subject" in raw else "",
        time=_time(raw["time"]) if "time" in raw else None,
        sequence=_sequence(raw["sequence"]) if "sequence" in raw and "subject" in raw else None,
        data=data,
    )


def name_of(text: str) -> tuple[str, str, str]:
    """Return source, id and type of a message that may be no event, as far as they can be read; else ""."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return "", "", ""
    if not isinstance(raw, dict):
        return "", "", ""
    found = []
    for name in ("source", "id", "type"):
        value = raw.get(name)
        found.append(
            value if isinstance(value, str) and value.isprintable() and len(value) <= LONGEST else ""
        )
    return found[0], found[1], found[2]


def _printable(raw: Mapping[str, Any], name: str, *, longest: int = LONGEST) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
        raise BadEventError(
            name, f"was {_shown(value)}, expected printable text of at most {longest} characters"
        )
    return value


def _time(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadEventError("time", f"was {_shown(value)}, expected a time with its zone (RFC 3339)")
    return moment


def _sequence(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        value = str(value)
    if not isinstance(value, str) or not SEQUENCE.fullmatch(value) or int(value) == 0:
        raise BadEventError("sequence", f"was {_shown(value)}, expected digits that count from 1")
    return int(value)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _shown(value: Any) -> str:
    return ascii(value)[:80]
