"""Reads where a decision wants its own position to be sold. What cannot be meant is dropped, and said.

A decision stands without it: the strategy's own rules are there for whatever a model does not say, or says badly.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ai.domain.text import clean_line
from ai.domain.types import ProposedExit

LONGEST_HORIZON = 250  # sessions: a year
MAX_INVALIDATION_CHARACTERS = 300
_MAX_SHOWN = 40
_PLACES = Decimal("0.0001")
_HUNDRED = Decimal(100)


def read_exit(said: Mapping[str, Any]) -> ProposedExit:
    """Return what of a decision's exit can be used, and in words what was dropped.

    A percentage is a number above 0 and below 100: a stop of 100 % or more lies at no price, and where somebody meant
    a price nobody knows which. A horizon is a whole number of sessions, 1 to 250. Text, truth values, NaN and lists
    are no numbers.
    """
    problems: list[str] = []
    return ProposedExit(
        stop_percent=_percent("stop_percent", said, problems),
        target_percent=_percent("target_percent", said, problems),
        horizon_sessions=_sessions("horizon_sessions", said, problems),
        invalidation=_sentence("invalidation", said, problems),
        problems=tuple(problems),
    )


def _percent(name: str, said: Mapping[str, Any], problems: list[str]) -> Decimal | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        percent = (
            Decimal(repr(value)).quantize(_PLACES, rounding="ROUND_DOWN") if abs(value) < _HUNDRED else None
        )
        if percent is not None and percent > 0:
            return percent
    problems.append(f"{name}: was {_shown(value)}, expected a number above 0 and below 100")
    return None


def _sessions(name: str, said: Mapping[str, Any], problems: list[str]) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LONGEST_HORIZON:
        return value
    problems.append(f"{name}: was {_shown(value)}, expected a whole number from 1 to {LONGEST_HORIZON}")
    return None


def _sentence(name: str, said: Mapping[str, Any], problems: list[str]) -> str:
    value = said.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return clean_line(value, limit=MAX_INVALIDATION_CHARACTERS)
    problems.append(f"{name}: was {_shown(value)}, expected a sentence")
    return ""


def _shown(value: Any) -> str:
    return clean_line(ascii(value)[: 4 * _MAX_SHOWN], limit=_MAX_SHOWN)
