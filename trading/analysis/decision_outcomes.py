"""What a decision's row says when it is stored: a proposal that wants to trade stays pending, all else says why not."""

from ai.domain.types import Action, Proposal, ProposedExit
from trading.analysis.model_questions import Scene, Skip
from trading.core import transitions
from trading.domain.protection.plans import ExitProposal, clamped
from trading.domain.statuses import DecisionStatus
from trading.models import AIDecision, Event
from trading.protection.theses import goes_against
from trading.protection.wanted import rules_of

REASONING_SHOWN = 1000
LONGEST_NOTE = 500


def apply_proposal(row: AIDecision, proposal: Proposal, *, scene: Scene) -> None:
    """Write what was proposed; a hold, and a sale of what is not held, do not trade.

    A purchase's own exit is written as its strategy's bounds let it stand; of a sale, whether it goes against a thesis.
    """
    row.action, row.confidence, row.reasoning = proposal.action, proposal.confidence, proposal.reasoning
    if proposal.action is Action.HOLD:
        not_traded(row, DecisionStatus.HELD, Skip("hold", ""))
    elif proposal.action is Action.BUY:
        apply_exit(row, proposal.exit)
    elif row.symbol not in scene.held:
        not_traded(row, DecisionStatus.SKIPPED, Skip("no_position", "there is nothing to sell"))
    elif scene.now is not None:
        theses = scene.theses.get(row.symbol, ())
        row.against_thesis = any(goes_against(each, price=row.price, now=scene.now) for each in theses)


def apply_exit(row: AIDecision, said: ProposedExit) -> None:
    """Write where a purchase says its position is to be sold, as its strategy's bounds let it stand."""
    proposal = ExitProposal(said.stop_percent, said.target_percent, said.horizon_sessions)
    kept, bounded = clamped(rules_of(row.strategy), proposal)
    row.stop_percent, row.target_percent = kept.stop_percent, kept.target_percent
    row.horizon_sessions, row.invalidation = kept.horizon_sessions, said.invalidation
    row.proposal_note = "; ".join((*said.problems, *bounded))[:LONGEST_NOTE]


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
