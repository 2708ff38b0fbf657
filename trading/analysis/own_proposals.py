"""A trade that a person proposes: stored as another service's is, and from there on the way of every decision."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from uuid6 import uuid7

from risk.domain.numbers import plain_decimal
from risk.services import switch
from trading.analysis.proposals import BY_A_PERSON, store
from trading.core import transitions
from trading.domain.events.incoming import IncomingEvent
from trading.errors import BadEventError, ProposalError
from trading.models import TradeProposal

LONGEST_NAME = 150
PROPOSED = "proposal.made"


def propose_for(
    actor: str, *, symbol: str, action: str, confidence: Decimal, reasoning: str, strategy: str
) -> TradeProposal:
    """Store what a person wants to trade; the next execution cycle takes it up, by mode, approval and the risk gate.

    Its size, stop and target are the strategy's. It is held against the same threshold as a model's decision.

    Args:
        action: buy or sell.
        confidence: 0 to 1, inclusive.
        strategy: the name of one that trades and looks at the symbol.

    Raises:
        ProposalError: it cannot be traded as it stands, or nothing can now; names the field.
    """
    if action not in ("buy", "sell"):
        raise ProposalError("action", f"was {action!r}, expected buy or sell")
    if not reasoning.strip():
        raise ProposalError("reasoning", "was empty, expected why")
    if switch.is_engaged():
        raise ProposalError("kill switch", "is engaged, nothing is traded until it is released")
    data = {
        "symbol": symbol,
        "action": action,
        "confidence": float(confidence),
        "reasoning": reasoning.strip(),
        "strategy": strategy,
    }
    with transaction.atomic():
        row = _store(actor, data)
        transitions.append_event(
            aggregate_type="proposal",
            aggregate_id=str(row.pk),
            event_type=PROPOSED,
            payload={
                "actor": actor,
                "symbol": row.symbol,
                "action": row.action,
                "confidence": plain_decimal(row.confidence),
                "strategy": strategy,
                "reason": row.reasoning[:500],
            },
            cycle_id=None,
        )
    return row


def _store(actor: str, data: Mapping[str, Any]) -> TradeProposal:
    event = IncomingEvent(
        id=str(uuid7()),
        source=f"{BY_A_PERSON}{actor}"[:LONGEST_NAME],
        type=PROPOSED,
        subject="",
        time=timezone.now(),
        sequence=None,
        data=data,
    )
    try:
        return store(event)
    except BadEventError as error:
        raise ProposalError(error.field.removeprefix("data."), error.problem) from error
