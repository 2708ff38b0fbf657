"""The built-in analyst: the technical strategy behind the interface of a language model.

The gateway answers it from here, in between the same prompt, record and validation as a language model's. It is
labelled as what it is wherever it shows.
"""

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ai.domain.indicators import Indicators
from ai.domain.prompt import Message, read_facts
from ai.domain.strategy import decide, exit_of
from ai.domain.types import Action, ProposedExit

PROVIDER = "builtin"
MODEL = "builtin/technical-v1"
LABEL = "built-in technical analyst (not a language model)"


def answer(messages: Sequence[Message]) -> str:
    """Return the strategy's decisions on the facts in ``messages``, as the JSON text a model would write.

    Raises:
        ValueError: the messages carry no readable facts.
    """
    decisions = [_decision(facts) for facts in read_facts(messages)["symbols"]]
    return json.dumps({"decisions": decisions}, ensure_ascii=False)


def _decision(facts: dict[str, Any]) -> dict[str, Any]:
    position = facts.get("position") or {}
    indicators = _indicators(facts.get("indicators"))
    verdict = decide(
        indicators,
        change_percent=_figure(facts.get("change_percent")),
        is_held=(_figure(position.get("quantity")) or 0.0) > 0,
        unrealised_pnl_percent=_figure(position.get("unrealised_pnl_percent")),
    )
    return {
        "symbol": facts["symbol"],
        "action": verdict.action.value,
        "confidence": float(verdict.confidence),
        "reasoning": verdict.reasoning,
        **_exit(indicators if verdict.action is Action.BUY else None),
    }


def _exit(indicators: Indicators | None) -> dict[str, Any]:
    """Return what a purchase says of its end; null throughout where nothing is bought."""
    proposed = exit_of(indicators) if indicators is not None else ProposedExit()
    stop, target = proposed.stop_percent, proposed.target_percent
    return {
        "stop_percent": None if stop is None else float(stop),
        "target_percent": None if target is None else float(target),
        "horizon_sessions": proposed.horizon_sessions,
        "invalidation": proposed.invalidation or None,
    }


def _indicators(values: Any) -> Indicators | None:
    """Return the indicators, or None where any of them is missing: half of them decide nothing."""
    try:
        return Indicators.from_dict(values)
    except (ValueError, AttributeError):
        return None


def _figure(value: Any) -> float | None:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
