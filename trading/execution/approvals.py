"""Approve or reject decisions: an answer counts once, and the gate judges at the price of that moment.

Nothing here posts an order. What passes the gate is committed with its saga, and the caller enqueues
``trading.risk_and_execute`` for it once the answer is committed; the sweeper does so otherwise.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from connectors.base import Quote
from risk.models import RiskCheck
from trading.core import transitions
from trading.domain.statuses import DecisionStatus
from trading.execution import decision_execution
from trading.execution.approval_requests import withdraw_if_outdated
from trading.execution.repricing import FreshQuotes, fresh_quotes, store_quote
from trading.market.market_time import latest_market_time
from trading.models import AIDecision, Approval, Saga


class AnswerOutcome(enum.StrEnum):
    """What came of a person's answer; only the first four answered anything."""

    ORDERED = "ordered"
    DENIED = "denied"
    UNDER_WAY = "under_way"
    REJECTED = "rejected"
    ANSWERED_BEFORE = "answered_before"
    EXPIRED = "expired"
    NO_PRICE = "no_price"


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """What came of an answer.

    Args:
        detail: a sentence where nothing was done: who was first, since when it is expired, why no price.
        price_then: what the decision saw, ``price_now`` what the gate was given; USD per base unit.
        check: the gate's answer with its figures, None where it was not asked.
        saga_id: the saga that now has to advance, None where nothing follows.
    """

    decision: AIDecision
    outcome: AnswerOutcome
    detail: str = ""
    price_then: Decimal | None = None
    price_now: Decimal | None = None
    check: RiskCheck | None = None
    saga_id: UUID | None = None

    @property
    def counted(self) -> bool:
        """Whether this answer is the one that counts."""
        return self.outcome in (
            AnswerOutcome.ORDERED,
            AnswerOutcome.DENIED,
            AnswerOutcome.UNDER_WAY,
            AnswerOutcome.REJECTED,
        )


LONGEST_HOLD_HOURS = 720  # a month


def answer(
    approval: Approval, *, granted: bool, user: User, reason: str = "", hold_hours: int | None = None
) -> AnswerReport:
    """Grant or reject an open request; of two people at once one counts, the other is told who.

    A grant asks for the price of now, and the gate judges at that price before this returns.

    Args:
        hold_hours: for so long a rejected question is not asked again, 0 to ``LONGEST_HOLD_HOURS`` of wall time;
            None: as the setting ``rejection_holds`` says.

    Raises:
        ValueError: a rejection without a reason, hours out of bounds or beside a grant.
    """
    return answer_all([approval], granted=granted, user=user, reason=reason, hold_hours=hold_hours)[0]


def answer_all(
    approvals: Sequence[Approval],
    *,
    granted: bool,
    user: User,
    reason: str = "",
    hold_hours: int | None = None,
) -> list[AnswerReport]:
    """Answer several requests in their order, the prices asked for together; one report for each.

    Args:
        hold_hours: as of ``answer``.

    Raises:
        ValueError: a rejection without a reason, hours out of bounds or beside a grant.
    """
    if hold_hours is not None and (granted or not 0 <= hold_hours <= LONGEST_HOLD_HOURS):
        expected = "none beside an approval" if granted else f"a whole number from 0 to {LONGEST_HOLD_HOURS}"
        raise ValueError(f"hold_hours: was {hold_hours}, expected {expected}")
    if not granted and not reason.strip():
        raise ValueError("reason: was empty, expected why the decision is rejected")
    if not granted:
        return [_reject(approval, user, reason, hold_hours) for approval in approvals]
    waiting = [approval for approval in approvals if _is_open(approval)]
    fresh = fresh_quotes([approval.decision.symbol for approval in waiting]) if waiting else NO_QUOTES
    return [_grant(approval, user, reason, fresh) for approval in approvals]


def send_to_execution(decision: AIDecision, *, user: User, reason: str = "") -> AnswerReport:
    """Send a decision that was stored for review through the gate, once; recorded as a granted approval."""
    decision = AIDecision.objects.get(pk=decision.pk)
    if decision.status != DecisionStatus.STORED:
        return _not_stored(decision)
    fresh = fresh_quotes([decision.symbol])
    quote = fresh.quotes.get(decision.symbol)
    if quote is None:
        return _without_price(decision, fresh)
    taken = _take(decision, quote, user, lambda: _record_sent(decision, user, reason))
    if not taken:
        return _not_stored(AIDecision.objects.get(pk=decision.pk))
    return _judged(decision.pk, quote)


def expire(approval: Approval) -> bool:
    """Expire an approval past its time; return whether this call did it."""
    now = timezone.now()
    with transaction.atomic():
        overdue = Approval.objects.overdue(now).filter(pk=approval.pk)
        expired = overdue.update(status=Approval.Status.EXPIRED, answered_at=now)
        if expired:
            changes = {"reason": "approval_expired", "settled_at": now}
            transitions.apply(approval.decision, "expire", changes=changes)
    return bool(expired)


NO_QUOTES = FreshQuotes({}, ())


def _is_open(approval: Approval) -> bool:
    """Whether nobody and no time was first."""
    return Approval.objects.waiting(timezone.now()).filter(pk=approval.pk).exists()


def _grant(approval: Approval, user: User, reason: str, fresh: FreshQuotes) -> AnswerReport:
    if withdraw_if_outdated(approval) or not _is_open(approval):
        return _lost(approval)
    decision = AIDecision.objects.get(pk=approval.decision_id)
    quote = fresh.quotes.get(decision.symbol)
    if quote is None:
        return _without_price(decision, fresh)
    if not _take(decision, quote, user, lambda: _close(approval, Approval.Status.GRANTED, user, reason)):
        return _lost(approval)
    return _judged(decision.pk, quote)


def _reject(approval: Approval, user: User, reason: str, hold_hours: int | None) -> AnswerReport:
    decision = AIDecision.objects.get(pk=approval.decision_id)
    with transaction.atomic():
        if not _close(approval, Approval.Status.REJECTED, user, reason, hold_hours):
            return _lost(approval)
        changes = {
            "reason": "approval_rejected",
            "reason_detail": reason[:500],
            "settled_at": timezone.now(),
        }
        transitions.apply(decision, "reject", changes=changes, actor=user.get_username(), reason=reason)
    decision.refresh_from_db(fields=["status", *changes])
    return AnswerReport(decision, AnswerOutcome.REJECTED, price_then=decision.price)


def _close(approval: Approval, status: str, user: User, reason: str, hold_hours: int | None = None) -> bool:
    """Write the answer, if nobody and no time was first."""
    now = timezone.now()
    held_until = None if hold_hours is None else now + timedelta(hours=hold_hours)
    waiting = Approval.objects.waiting(now).filter(pk=approval.pk)
    changes = {"status": status, "answered_at": now, "answered_by": user, "reason": reason[:500]}
    return bool(waiting.update(answered_market_time=latest_market_time(), held_until=held_until, **changes))


def _record_sent(decision: AIDecision, user: User, reason: str) -> bool:
    """Record that a person sent a stored decision; the table holds one approval per decision."""
    now = timezone.now()
    try:
        with transaction.atomic():
            Approval.objects.create(
                decision=decision,
                cycle_id=decision.cycle_id,
                status=Approval.Status.GRANTED,
                expires_at=now,
                answered_at=now,
                answered_by=user,
                reason=reason[:500],
            )
    except IntegrityError:
        return False
    return True


def _take(decision: AIDecision, quote: Quote, user: User, record: Callable[[], bool]) -> bool:
    """Record the answer, the price and the decision's return to the queue together, or nothing."""
    changes = {"approved": True, "reason": "", "reason_detail": "", "settled_at": None}
    with transaction.atomic():
        taken = record() and transitions.apply(
            decision,
            "approve",
            changes=changes,
            actor=user.get_username(),
            price=str(quote.price),
            quoted_at=quote.quoted_at.isoformat(),
            source=quote.source,
        )
        if taken:
            store_quote(decision.cycle_id, quote)
        else:
            transaction.set_rollback(True)
    return taken


def _judged(decision_id: UUID, quote: Quote) -> AnswerReport:
    """Have the gate judge now, in the click; a worker that was quicker has done the same."""
    saga_id = decision_execution.execute_decision(decision_id)
    decision = AIDecision.objects.select_related("risk_check").get(pk=decision_id)
    if decision.status in (DecisionStatus.PENDING, DecisionStatus.CLAIMED):
        outcome = AnswerOutcome.UNDER_WAY
    elif decision.status == DecisionStatus.EXPIRED:
        return AnswerReport(decision, AnswerOutcome.EXPIRED, decision.reason_detail, price_now=quote.price)
    elif Saga.objects.filter(decision_id=decision_id).exists():
        outcome = AnswerOutcome.ORDERED
    else:
        outcome = AnswerOutcome.DENIED
    return AnswerReport(
        decision=decision,
        outcome=outcome,
        price_then=decision.price,
        price_now=quote.price,
        check=decision.risk_check,
        saga_id=saga_id,
    )


def _lost(approval: Approval) -> AnswerReport:
    """Say who or what was first."""
    stands = Approval.objects.select_related("decision", "answered_by").get(pk=approval.pk)
    if stands.answered_by is None or stands.answered_at is None:
        detail = stands.reason or f"it expired at {stands.expires_at:%H:%M:%S} UTC"
        return AnswerReport(stands.decision, AnswerOutcome.EXPIRED, detail)
    detail = f"{stands.answered_by.get_username()} {stands.status} it at {stands.answered_at:%H:%M:%S} UTC"
    return AnswerReport(stands.decision, AnswerOutcome.ANSWERED_BEFORE, detail)


def _not_stored(decision: AIDecision) -> AnswerReport:
    sent = Approval.objects.select_related("answered_by").filter(decision=decision).first()
    if sent is not None and sent.answered_by is not None and sent.answered_at is not None:
        detail = f"{sent.answered_by.get_username()} sent it at {sent.answered_at:%H:%M:%S} UTC"
    else:
        detail = f"it is {decision.status.replace('_', ' ')}, not stored for review"
    return AnswerReport(decision, AnswerOutcome.ANSWERED_BEFORE, detail)


def _without_price(decision: AIDecision, fresh: FreshQuotes) -> AnswerReport:
    detail = "; ".join(fresh.problems) or f"no provider has a price of {decision.symbol}"
    return AnswerReport(decision, AnswerOutcome.NO_PRICE, detail, price_then=decision.price)
