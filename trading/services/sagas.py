"""The saga of an order: submit, confirm the fill, update the position; or undo what the gate reserved.

Everything here can run again after a crash in any line: each step reads what is recorded, asks the
broker, and records with a conditional update.
"""

from datetime import timedelta
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from connectors.errors import RejectedError
from risk.services import book as risk_book
from risk.services import switch
from trading.domain.order_ids import Purpose
from trading.domain.statuses import OrderStatus, SagaStatus
from trading.models import Order, Saga, SagaStep, Trade
from trading.services import saga_steps, transitions
from trading.services.order_truth import record_broker_order
from trading.services.portfolio import sync_portfolio
from trading.services.providers import current_providers
from trading.services.submission import UNSENT, submit_order

log = structlog.get_logger(__name__)
POLL_INTERVAL = timedelta(seconds=3)
Step, Outcome = SagaStep.Name, SagaStep.Status

DECISION_EVENTS = {
    OrderStatus.REJECTED: ("reject", "broker_rejected"),
    OrderStatus.CANCELED: ("expire", "order_canceled"),
    OrderStatus.EXPIRED: ("expire", "order_expired"),
    OrderStatus.REPLACED: ("expire", "order_replaced"),
    OrderStatus.FAILED: ("fail", "order_never_taken"),
}


def advance_saga(saga_id: UUID) -> Saga:
    """Take a saga as far as the broker's word allows now; return it as it stands.

    Raises:
        ConnectorError: the broker did not answer; the saga stays where it is and is tried again.
    """
    saga = Saga.objects.select_related("order", "decision__strategy").get(pk=saga_id)
    if saga.status != SagaStatus.RUNNING:
        return saga
    _postpone(saga)
    order = saga.order
    if order.status in UNSENT:
        saga_steps.begin(saga, Step.SUBMIT_ORDER)
        order = submit_order(order.pk)
    if order.acknowledged_at is not None:
        saga_steps.end(saga, Step.SUBMIT_ORDER, Outcome.COMPLETED, broker_order_id=order.broker_order_id)
    if order.status in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED):
        order = _confirm(saga, order)
    saga.order = order
    if not order.is_open:
        _settle(saga, order)
    saga.refresh_from_db()
    return saga


def advance_order(client_order_id: str) -> Saga | None:
    """Advance the saga of an order the broker mentioned; None when it is not an open one of ours."""
    found = Saga.objects.open().filter(order__client_order_id=client_order_id).first()
    return advance_saga(found.pk) if found else None


def _postpone(saga: Saga) -> None:
    Saga.objects.filter(pk=saga.pk).update(next_poll_at=timezone.now() + POLL_INTERVAL)


def _confirm(saga: Saga, order: Order) -> Order:
    """Ask how the order stands; past the saga's deadline or under the switch ask to cancel it first."""
    broker = current_providers().broker
    assert order.broker_order_id is not None  # noqa: S101 - an accepted order has one
    saga_steps.begin(saga, Step.CONFIRM_FILL)
    # An entry whose request outlived its killed sender reaches the broker after the switch's cancels.
    unwanted = order.purpose == Purpose.ENTRY and switch.is_engaged()
    if unwanted or timezone.now() > saga.deadline_at:
        try:
            broker.cancel_order(order.broker_order_id)
        except RejectedError as error:
            log.info("cancel_came_late", order_id=str(order.pk), error=str(error))
    told = broker.order(order.broker_order_id)
    return record_broker_order(order, told) if told else order


def _settle(saga: Saga, order: Order) -> None:
    if order.filled_quantity > 0:
        _complete(saga, order)
    else:
        _compensate(saga, order)


def _complete(saga: Saga, order: Order) -> None:
    """Book what filled: the position sync first, then trade, reservation and statuses together."""
    saga_steps.end(
        saga,
        Step.CONFIRM_FILL,
        Outcome.COMPLETED,
        filled_quantity=str(order.filled_quantity),
        average_price=str(order.average_price),
    )
    saga_steps.begin(saga, Step.UPDATE_POSITION)
    sync_portfolio(order.cycle_id)
    with transaction.atomic():
        if not transitions.apply(saga, "complete", changes={"ended_at": timezone.now()}, symbol=order.symbol):
            return
        saga_steps.end(saga, Step.UPDATE_POSITION, Outcome.COMPLETED)
        _record_trade(saga, order)
        _release(order, reason="position_synced")
        transitions.apply(
            saga.decision, "complete", changes={"settled_at": timezone.now()}, symbol=order.symbol
        )


def _record_trade(saga: Saga, order: Order) -> None:
    price, entry_price = order.average_price, saga_steps.entry_price_of(saga)
    assert price is not None  # noqa: S101 - a filled order has a price
    pnl = (price - entry_price) * order.filled_quantity if entry_price is not None else None
    Trade.objects.get_or_create(
        order=order,
        defaults={
            "decision": saga.decision,
            "strategy": saga.decision.strategy,
            "cycle_id": order.cycle_id,
            "symbol": order.symbol,
            "side": order.side,
            "quantity": order.filled_quantity,
            "price": price,
            "realised_pnl": pnl,
            "reasoning": saga.decision.reasoning,
            "traded_at": order.ended_at or timezone.now(),
        },
    )


def _compensate(saga: Saga, order: Order) -> None:
    """Nothing filled: give the reserved room back and say why."""
    event, reason = DECISION_EVENTS[OrderStatus(order.status)]
    words = order.broker_message or reason
    now = timezone.now()
    with transaction.atomic():
        if not transitions.apply(saga, "compensate", changes={"error": words}, reason=reason):
            return
        failed = Step.SUBMIT_ORDER if order.acknowledged_at is None else Step.CONFIRM_FILL
        saga_steps.end(saga, failed, Outcome.FAILED, reason=reason, message=words)
        saga_steps.skip_rest(saga)
        _release(order, reason=reason)
        SagaStep.objects.filter(saga=saga, name=Step.VALIDATE_RISK).update(status=Outcome.COMPENSATED)
        transitions.apply(
            saga.decision,
            event,
            changes={"reason": reason, "reason_detail": words[:500], "settled_at": now},
            reason=reason,
            symbol=order.symbol,
        )
        transitions.apply(saga, "compensated", changes={"ended_at": now}, reason=reason)


def _release(order: Order, *, reason: str) -> None:
    if order.reservation_id is not None:
        risk_book.release(order.reservation_id, reason=reason)
