"""Safe mode: after three analyses in a row that no model answered, exits only, until one is answered.

It never touches a halted state: that is the kill switch's, and a person's to lift.
"""

from uuid import UUID

import structlog
from django.db import transaction

from trading.core import transitions
from trading.core.row_locks import locked_agent
from trading.models import AgentStatus, Event

log = structlog.get_logger(__name__)
FAILURES_TO_REDUCE = 3
REASON = "ai_failures"
ACTOR = "safe_mode"
STATE_SET = "agent.trading_state_set"


def after_analysis(cycle_id: UUID, *, answered: bool) -> None:
    """Count an analysis in which models were asked, and change the trading state where it is due.

    Call outside a transaction that may roll back. The row's lock makes the count exact and orders this with
    the switch, which changes the same row.
    """
    with transaction.atomic():
        agent = locked_agent()
        failures = 0 if answered else agent.failed_analyses + 1
        if failures != agent.failed_analyses:
            AgentStatus.objects.filter(pk=1).update(failed_analyses=failures)
        if answered and is_reducing_for_failures(agent):
            words = "a model answered again"
            _set_state(agent, "active", reason=words, actor=ACTOR, cycle_id=cycle_id)
        elif failures >= FAILURES_TO_REDUCE and agent.trading_state == "active":
            log.critical("ai_failures", cycle_id=str(cycle_id), failed_analyses=failures)
            _set_state(agent, "reducing", reason=REASON, actor=ACTOR, cycle_id=cycle_id, failures=failures)


def leave(*, actor: str, reason: str) -> bool:
    """Let entries through again by a person's word; the count starts anew.

    Returns:
        False when the state is not this module's to change: active, halted, or reducing for another reason.

    Raises:
        ValueError: the actor or the reason is empty.
    """
    if not actor.strip() or not reason.strip():
        raise ValueError("leaving safe mode needs its author and a reason")
    with transaction.atomic():
        agent = locked_agent()
        if not is_reducing_for_failures(agent):
            return False
        AgentStatus.objects.filter(pk=1).update(failed_analyses=0)
        _set_state(agent, "active", reason=reason, actor=actor, cycle_id=None)
    return True


def is_reducing_for_failures(agent: AgentStatus) -> bool:
    """Return whether entries are stopped because models failed."""
    if agent.trading_state != "reducing":
        return False
    last = Event.objects.filter(aggregate_type="agent", aggregate_id="1", type=STATE_SET)
    said = last.order_by("-sequence").first()
    return said is not None and said.payload.get("reason") == REASON


def _set_state(
    agent: AgentStatus, state: str, *, reason: str, actor: str, cycle_id: UUID | None, **facts: int
) -> None:
    """Change the state from what the locked row has, with its event."""
    AgentStatus.objects.filter(pk=1).update(trading_state=state)
    payload = {"from": agent.trading_state, "to": state, "reason": reason, "actor": actor, **facts}
    transitions.append_event(
        aggregate_type="agent",
        aggregate_id="1",
        event_type=STATE_SET,
        payload=payload,
        cycle_id=cycle_id,
    )
