"""What a decision's row says when it is stored: a proposal that wants to trade stays pending, all else says why not."""

from ai.domain.types import Action, Proposal
from trading.analysis.model_questions import Skip
from trading.core import transitions
from trading.domain.statuses import DecisionStatus
from trading.models import AIDecision, Event

REASONING_SHOWN = 1000


def apply_proposal(row: AIDecision, proposal: Proposal, *, is_held: bool) -> None:
    """Write what was proposed; a hold, and a sale of what is not held, do not trade."""
    row.action, row.confidence, row.reasoning = proposal.action, proposal.confidence, proposal.reasoning
    if proposal.action is Action.HOLD:
        not_traded(row, DecisionStatus.HELD, Skip("hold", ""))
    elif proposal.action is Action.SELL and not is_held:
        not_traded(row, DecisionStatus.SKIPPED, Skip("no_position", "there is nothing to sell"))


def not_traded(row: AIDecision, status: DecisionStatus, why: Skip) -> None:
    """Settle a decision before it is stored: it is made and settled at one moment."""
    row.status, row.reason, row.reason_detail = status, why.reason, why.detail[:500]
    row.settled_at = row.created_at


def created_event(row: AIDecision) -> Event:
    """Return the first event of a decision, with all that somebody outside needs to follow it."""
    return transitions.first_event(
        row,
        reason=row.reason,
        confidence=str(row.confidence),
        reasoning=row.reasoning[:REASONING_SHOWN],
        strategy=row.strategy.name,
        strategy_version=row.strategy_version,
        model=row.model,
        price=None if row.price is None else str(row.price),
    )
