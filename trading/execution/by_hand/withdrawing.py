"""Take a person's approval back while nothing has left: the order is never sent, and what it reserved is free again.

Whoever sends an order moves it on from *created* by one conditional statement before a request exists; so does this.
One of the two wins, whatever else happens.
"""

from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from trading.core import transitions
from trading.core.row_locks import locked_order
from trading.domain.statuses import DecisionStatus, OrderStatus
from trading.errors import WithdrawalError
from trading.execution import compensation
from trading.execution.approval_requests import WITHDRAWN
from trading.models import AIDecision, Approval, Order, Saga

TRY_AGAIN = "it is before the risk gate this moment; try again in a second"


def withdraw(decision_id: UUID, *, actor: str, reason: str) -> AIDecision:
    """Withdraw the approval of a decision whose order has not left; return the decision, which has expired.

    Raises:
        WithdrawalError: no reason; it was not approved by a person; or its order has left, or is leaving.
    """
    said = reason.strip()
    if not said:
        raise WithdrawalError("reason: was empty, expected why the approval is withdrawn")
    decision = AIDecision.objects.filter(pk=decision_id).first()
    if decision is None or not is_granted(decision_id):
        raise WithdrawalError("it was not approved by a person, so there is nothing to withdraw")
    if decision.status == DecisionStatus.PENDING:
        _expire(decision, actor, said)
    elif decision.status == DecisionStatus.EXECUTING:
        _take_back(decision, actor, said)
    elif decision.status == DecisionStatus.CLAIMED:
        raise WithdrawalError(TRY_AGAIN)
    else:
        raise WithdrawalError(f"it is {decision.status.replace('_', ' ')} already")
    return AIDecision.objects.get(pk=decision_id)


def may_be_withdrawn(decision: AIDecision) -> bool:
    """Return whether a person's approval of it could be withdrawn at this moment."""
    if decision.status == DecisionStatus.PENDING:
        return is_granted(decision.pk)
    is_unsent = decision.status == DecisionStatus.EXECUTING and _unsent(decision.pk).exists()
    return is_unsent and is_granted(decision.pk)


def is_granted(decision_id: UUID) -> bool:
    """Return whether a person approved the decision, or sent it on."""
    return Approval.objects.filter(decision=decision_id, status=Approval.Status.GRANTED).exists()


def _unsent(decision_id: UUID) -> "QuerySet[Order]":
    return Order.objects.filter(decision=decision_id, status=OrderStatus.CREATED, posts=0)


def _expire(decision: AIDecision, actor: str, reason: str) -> None:
    """End a decision that no gate has judged yet."""
    words = f"withdrawn by {actor}: {reason}"[:500]
    changes = {"reason": WITHDRAWN, "reason_detail": words, "settled_at": timezone.now()}
    if not transitions.apply(decision, "expire", changes=changes, actor=actor, reason=WITHDRAWN):
        raise WithdrawalError(TRY_AGAIN)


def _take_back(decision: AIDecision, actor: str, reason: str) -> None:
    """Cancel the order that has not left, and undo its saga, in one transaction."""
    now = timezone.now()
    with transaction.atomic():
        order = _unsent(decision.pk).first()
        saga = Saga.objects.filter(decision=decision).first()
        if order is None or saga is None:
            raise WithdrawalError("its order has left; close the position, or cancel the order at the broker")
        order = locked_order(order.pk)
        words = f"withdrawn by {actor}: {reason}"[:500]
        ended = {"ended_at": now, "lease_until": None, "broker_message": words}
        if order.status != OrderStatus.CREATED or not transitions.apply(
            order, "cancel", changes=ended, where=Q(posts=0), is_within=True, reason=WITHDRAWN, actor=actor
        ):
            raise WithdrawalError("its order is leaving this moment; close the position instead")
        order.refresh_from_db()
        compensation.compensate(saga, order)
