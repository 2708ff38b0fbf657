"""Undoing a saga whose order ended unfilled; and what happens when the undoing itself fails.

First the intention is committed (status compensating), then the undoing, in one transaction: a crash
between the two leaves a saga that the sweeper takes up again. A compensation that fails stops all trading:
our record of the account can no longer be trusted until a person has looked.
"""

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from risk.services import book as risk_book
from trading.core import transitions
from trading.core.row_locks import locked_order
from trading.domain.statuses import DecisionStatus, OrderStatus
from trading.execution import saga_steps
from trading.models import Order, Saga, SagaStep
from trading.safety import kill_switch

log = structlog.get_logger(__name__)
TRIGGER = "compensation_failed"
Step, Outcome = SagaStep.Name, SagaStep.Status

DECISION_EVENTS = {
    OrderStatus.REJECTED: ("reject", "broker_rejected"),
    OrderStatus.CANCELED: ("expire", "order_canceled"),
    OrderStatus.EXPIRED: ("expire", "order_expired"),
    OrderStatus.REPLACED: ("expire", "order_replaced"),
    OrderStatus.FAILED: ("fail", "order_never_taken"),
}


def compensate(saga: Saga, order: Order) -> None:
    """Give the reserved room of an order that ended unfilled back, and say why."""
    _, reason = DECISION_EVENTS[OrderStatus(order.status)]
    words = order.broker_message or reason
    if transitions.apply(saga, "compensate", changes={"error": words}, reason=reason):
        saga.refresh_from_db(fields=["status", "error"])
        undo(saga)


def undo(saga: Saga) -> None:
    """Do what compensating takes, or finish it after a crash; failing engages the kill switch.

    Raises:
        OperationalError: the database went away; nothing was undone, a later call does it.
    """
    try:
        with transaction.atomic():
            _undo(saga)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("compensation_failed", saga_id=str(saga.pk), cycle_id=str(saga.cycle_id))
        give_up(saga, error)


def give_up(saga: Saga, error: BaseException) -> None:
    """Engage the kill switch, then end the saga as failed; in this order, so that a crash loses neither."""
    saga = Saga.objects.select_related("order", "decision").get(pk=saga.pk)  # what failed was rolled back
    symbol, words = saga.order.symbol, f"{type(error).__name__}: {error}"[:400]
    kill_switch.engage(
        actor="saga",
        reason=f"the order for {symbol} could not be undone: {words}"[:500],
        trigger=TRIGGER,
        figures={"saga_id": str(saga.pk), "client_order_id": saga.order.client_order_id},
    )
    log.critical(
        "compensation_failed",
        error_type=type(error).__name__,
        error=str(error),
        operation="compensate",
        state=saga.status,
        cycle_id=str(saga.cycle_id),
        saga_id=str(saga.pk),
        symbol=symbol,
    )
    now = timezone.now()
    with transaction.atomic():
        if not transitions.apply(
            saga,
            "fail",
            changes={"error": words, "ended_at": now},
            reason=TRIGGER,
            error=words,
            symbol=symbol,
        ):
            return
        saga_steps.fail_current(saga, reason=TRIGGER, message=words)
        decision = saga.decision
        if decision.status == DecisionStatus.EXECUTING:
            transitions.apply(
                decision,
                "fail",
                changes={"reason": TRIGGER, "reason_detail": words, "settled_at": now},
                reason=TRIGGER,
                symbol=symbol,
            )


def _undo(saga: Saga) -> None:
    order = locked_order(saga.order_id)
    if order.is_open or order.filled_quantity > 0:
        return  # a fill came in between: it is booked instead
    event, reason = DECISION_EVENTS[OrderStatus(order.status)]
    words, now = order.broker_message or reason, timezone.now()
    if not transitions.apply(saga, "compensated", changes={"ended_at": now}, reason=reason):
        return
    failed = Step.SUBMIT_ORDER if order.acknowledged_at is None else Step.CONFIRM_FILL
    saga_steps.end(saga, failed, Outcome.FAILED, reason=reason, message=words)
    saga_steps.skip_rest(saga)
    release(order, reason=reason)
    SagaStep.objects.filter(saga=saga, name=Step.VALIDATE_RISK).update(status=Outcome.COMPENSATED)
    decision = saga.decision
    if decision.status == DecisionStatus.EXECUTING:
        transitions.apply(
            decision,
            event,
            changes={"reason": reason, "reason_detail": words[:500], "settled_at": now},
            reason=reason,
            symbol=order.symbol,
        )


def release(order: Order, *, reason: str) -> None:
    """End the order's reservation, if it still counts."""
    if order.reservation_id is not None:
        risk_book.release(order.reservation_id, reason=reason)
