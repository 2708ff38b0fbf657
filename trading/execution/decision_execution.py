"""A decision's way to an order: claim it, judge it, and commit order and saga before anything leaves."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from risk.models import RiskReservation
from risk.services import book as risk_book
from risk.services import locks
from trading.core import settings, transitions
from trading.core.trace_spans import span
from trading.core.waits import is_over
from trading.domain.ages import in_force, is_fresh
from trading.domain.order_ids import Purpose, client_order_id
from trading.domain.statuses import CycleStatus, DecisionStatus
from trading.domain.symbols import is_coin
from trading.execution import approval_requests, gate_inputs
from trading.execution.saga_steps import create_steps
from trading.market.price_facts import latest_snapshot
from trading.models import AgentStatus, AIDecision, Approval, Mode, Order, Position, Saga

CLAIM_LEASE = timedelta(seconds=45)
MESSAGE_GRACE = timedelta(seconds=10)  # the message that lets the order out is lost, or late, after that


def execute_decision(decision_id: UUID) -> UUID | None:
    """Take a decision that wants to trade as far as its saga; return the saga that now has to advance.

    Safe to call twice, at the same time, or after a crash in any line: the claim is a conditional
    update under a lease, and order, reservation and saga are committed together or not at all.

    Returns:
        None when nothing follows: somebody else has it, or it was denied, stored or put before a person.
    """
    decision = _claim(decision_id)
    if decision is None:
        return Saga.objects.open().filter(decision_id=decision_id).values_list("pk", flat=True).first()
    if _expired(decision):
        return None
    mode = AgentStatus.objects.get(pk=1).mode
    if not gate_inputs.needs_person(decision, mode):
        return _pass_gate(decision)
    if mode == Mode.MANUAL:
        _settle(decision, "store", reason="mode_manual", detail="manual mode: stored for review")
    else:
        _request_approval(decision)
    return None


def _claim(decision_id: UUID) -> AIDecision | None:
    now = timezone.now()
    decision = AIDecision.objects.select_related("cycle", "strategy").get(pk=decision_id)
    if decision.status not in (DecisionStatus.PENDING, DecisionStatus.CLAIMED):
        return None
    if decision.cycle.status == CycleStatus.PAUSED and not decision.approved:
        return None  # the broker is down: it is taken up when the cycle goes on, or expires with it
    free = Q(status=DecisionStatus.PENDING) | is_over("lease_until", now, CLAIM_LEASE)
    changes = {"lease_until": now + CLAIM_LEASE, "attempts": F("attempts") + 1}
    if not transitions.apply(decision, "claim", changes=changes, where=free):
        return None
    decision.refresh_from_db(fields=["status", *changes])
    return decision if decision.lease_until == changes["lease_until"] else None


def _expired(decision: AIDecision) -> bool:
    """Expire a decision whose cycle has ended or is past its deadline, or whose approval is too long ago."""
    if decision.approved:
        return _answer_expired(decision)
    cycle = decision.cycle
    in_time = in_force(cycle.deadline_at, timezone.now(), cycle.deadline_at - cycle.started_at)
    if cycle.status == CycleStatus.RUNNING and in_time:
        return False
    _settle(decision, "expire", reason="cycle_deadline", detail=f"the cycle is {cycle.status}")
    return True


def _answer_expired(decision: AIDecision) -> bool:
    """Expire a decision that a person approved for a moment that is over, however it was kept from its order.

    An answer of the future is as void as an old one: a clock was set, and nobody knows how old it is.
    """
    granted = Approval.objects.filter(decision=decision, status=Approval.Status.GRANTED)
    answered_at = granted.values_list("answered_at", flat=True).first()
    valid = timedelta(seconds=settings.seconds("approval_valid"))
    if is_fresh(answered_at, timezone.now(), valid):
        return False
    said = f"approved at {answered_at:%Y-%m-%d %H:%M:%S} UTC" if answered_at else "no answer is on record"
    detail = f"{said}, not carried out within {valid.total_seconds():.0f} s"
    _settle(decision, "expire", reason="approval_expired", detail=detail)
    return True


def _request_approval(decision: AIDecision) -> None:
    """Ask a person, unless the same was asked and waits, or was answered or left unanswered a short time ago."""
    if (why_not := approval_requests.reason_not_to_ask(decision)) is not None:
        _settle(decision, "store", reason=why_not[0], detail=why_not[1])
        return
    with transaction.atomic():
        expires_at = timezone.now() + timedelta(seconds=settings.seconds("approval_expiry"))
        if transitions.apply(decision, "request_approval", expires_at=expires_at.isoformat()):
            Approval.objects.create(decision=decision, cycle_id=decision.cycle_id, expires_at=expires_at)


def _pass_gate(decision: AIDecision) -> UUID | None:
    """Judge and reserve under the book's lock; commit the order with them.

    The gate reads the mode again under the lock: one that was set since is obeyed, with a denial.
    """
    snapshot = latest_snapshot(decision.symbol)
    with span("gate", symbol=decision.symbol), transaction.atomic():
        locks.lock_book()
        if decision.approved and _answer_expired(decision):  # the lock may have been waited for
            return None
        intent = gate_inputs.order_intent(decision, snapshot)
        judgement = risk_book.check_and_reserve(
            intent=intent,
            book=gate_inputs.risk_book_for(decision.symbol),
            decision_id=decision.pk,
            cycle_id=decision.cycle_id,
            own=gate_inputs.own_limits(decision.strategy),
        )
        changes = {"risk_check": judgement.check}
        if judgement.reservation is None:
            _settle(decision, "deny", reason=judgement.check.reason, changes=changes)
            return None
        if not transitions.apply(decision, "pass", changes=changes):
            transaction.set_rollback(True)
            return None
        order = _create_order(decision, judgement.reservation, intent.price)
        return _create_saga(decision, order, judgement.check.figures)


def _create_order(decision: AIDecision, reservation: RiskReservation, price: Decimal | None) -> Order:
    purpose = Purpose.EXIT if decision.action == AIDecision.Action.SELL else Purpose.ENTRY
    order = Order.objects.create(
        client_order_id=client_order_id(decision.pk, purpose),
        decision=decision,
        reservation=reservation,
        cycle_id=decision.cycle_id,
        symbol=decision.symbol,
        side=reservation.side,
        purpose=purpose,
        quantity=reservation.quantity,
        reference_price=price,
        time_in_force="gtc" if is_coin(decision.symbol) else "day",
    )
    transitions.record_created(
        order, symbol=order.symbol, side=order.side, quantity=str(order.quantity), price=str(price)
    )
    return order


def _create_saga(decision: AIDecision, order: Order, figures: dict[str, str]) -> UUID:
    now = timezone.now()
    saga = Saga.objects.create(
        decision=decision,
        order=order,
        cycle_id=decision.cycle_id,
        deadline_at=now + timedelta(seconds=settings.seconds("saga_timeout")),
        next_poll_at=now + MESSAGE_GRACE,
    )
    transitions.record_created(saga, order_id=str(order.pk), symbol=order.symbol)
    entry_price = None
    if order.purpose == Purpose.EXIT:
        entry_price = Position.objects.values_list("average_entry_price", flat=True).get(pk=order.symbol)
    create_steps(saga, risk_figures=figures, entry_price=entry_price)
    return saga.pk


def _settle(
    decision: AIDecision,
    event: str,
    *,
    reason: str,
    detail: str = "",
    changes: Mapping[str, object] | None = None,
) -> None:
    transitions.apply(
        decision,
        event,
        changes={
            "reason": reason,
            "reason_detail": detail,
            "settled_at": timezone.now(),
            **(changes or {}),
        },
        reason=reason,
        symbol=decision.symbol,
    )
