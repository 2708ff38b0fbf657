"""How often a strategy's models are asked about a symbol, and what a decision keeps of it."""

from collections.abc import Callable, Mapping
from typing import Any

from ai.domain.stability import MOST_ANSWERS, Sampled
from ai.domain.types import Action, Proposal
from risk.domain.numbers import plain_decimal
from trading.core import settings
from trading.models import AIDecision, Strategy

NAMES = ("samples", "confirm")
THRESHOLDS = {Action.BUY: "confidence_threshold", Action.SELL: "exit_confidence_threshold"}


def sampling_problems(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with how often models are to be asked, by field; a field that is missing is not judged."""
    problems = {}
    for name in NAMES:
        number = values.get(name, 1)
        if not (isinstance(number, int) and 1 <= number <= MOST_ANSWERS):
            was = "empty" if number is None else number
            problems[name] = f"{name}: was {was}, expected a whole number from 1 to {MOST_ANSWERS}"
    if not problems and all(values.get(name, 1) > 1 for name in NAMES):
        problems["confirm"] = (
            f"confirm: was {values['confirm']}, expected 1 where samples is above 1: everything is asked again already"
        )
    return problems


def is_sampled(strategy: Strategy) -> bool:
    """Return whether its models are asked more than once about anything."""
    return max(strategy.samples, strategy.confirm) > 1


def trades_alone(held: frozenset[str]) -> Callable[[Proposal], bool]:
    """Return what tells whether an answer taken alone would get as far as the gate's limits: sure enough, and possible.

    Args:
        held: symbols with a position.

    Raises:
        SettingError: what is stored of a threshold cannot be read.
    """
    least = settings.several(*THRESHOLDS.values())

    def trades(proposal: Proposal) -> bool:
        if proposal.action is Action.HOLD or (proposal.action is Action.SELL and proposal.symbol not in held):
            return False
        return proposal.confidence >= least[THRESHOLDS[proposal.action]]

    return trades


def keep_samples(row: AIDecision, sampled: Sampled) -> None:
    """Write the answers down with the decision, and what most of them say; what comes of it is decided elsewhere."""
    found = sampled.modal
    row.action, row.confidence, row.reasoning = (
        found.action,
        sampled.confidence,
        sampled.spoken.proposal.reasoning,
    )
    row.samples = {
        "asked": sampled.asked,
        "agreement": round(found.agreement, 4),
        "answers": [
            {
                "sample": each.sample,
                "action": each.proposal.action.value,
                "confidence": plain_decimal(each.proposal.confidence),
                "call": None if each.call_id is None else str(each.call_id),
            }
            for each in sampled.answers
        ],
    }
