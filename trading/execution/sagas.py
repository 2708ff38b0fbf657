"""The saga of an order: submit, confirm the fill, update the position; or undo what the gate reserved.

Everything here can run again after a crash in any line: each step reads what is recorded, asks the
broker, and records with a conditional update. Before the broker has an order the saga may be undone;
after that it only goes forward, to the truth the broker tells.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from connectors.errors import RejectedError
from risk.services import switch
from trading.core import transitions
from trading.core.failures import log_failure
from trading.core.providers import current_providers
from trading.core.row_locks import locked_order
from trading.core.trace_spans import span
from trading.domain.ages import in_force
from trading.domain.order_ids import Purpose
from trading.domain.statuses import DecisionStatus, OrderStatus, SagaStatus
from trading.errors import TradingError
from trading.execution import compensation, saga_steps
from trading.execution.portfolio import SYNCED, includes, note_end, sync_portfolio
from trading.execution.trade_booking import book_trade
from trading.models import Order, Saga, SagaStep
from trading.orders.execution_reports import record_broker_order
from trading.orders.submission import UNSENT, submit_order

log = structlog.get_logger(__name__)
POLL_INTERVAL = timedelta(seconds=3)
CANCEL_PATIENCE = timedelta(seconds=120)
SYNCS_AT_MOST = 2  # in one visit: a sync that was refused has a newer one before it, which will do
Step, StepStatus = SagaStep.Name, SagaStep.Status


class OrderWillNotEndError(TradingError):
    """The broker answers, but an order past its saga's deadline stays open whatever we ask."""


def advance_saga(saga_id: UUID) -> Saga:
    """Take a saga as far as the broker's word allows now; return it as it stands.

    Raises:
        ConnectorError: the broker did not answer; the saga stays where it is and is tried again.
    """
    saga = read_saga(saga_id)
    ids = {"saga_id": saga.pk, "decision_id": saga.decision_id, "cycle_id": saga.cycle_id}
    with bound_contextvars(**{name: str(value) for name, value in ids.items()}):
        if saga.status == SagaStatus.RUNNING:
            _advance(saga)
        elif saga.status == SagaStatus.COMPENSATING:
            _postpone(saga)
            _follow(saga, saga.order)
    saga.refresh_from_db()
    return saga


def settle_order(order_id: UUID) -> Saga:
    """Follow an order whose saga has ended: it filled later, or is open again; return the saga.

    An order that is open again is cancelled; what filled is booked.

    Raises:
        ConnectorError: the broker did not answer; it is tried again.
    """
    order = Order.objects.get(pk=order_id)
    saga = read_saga(order.saga.pk)
    if saga.status in (SagaStatus.RUNNING, SagaStatus.COMPENSATING):
        return saga
    with bound_contextvars(saga_id=str(saga.pk), cycle_id=str(saga.cycle_id)):
        if not order.is_open and order.broker_order_id is not None:
            reported = current_providers().broker.order(order.broker_order_id)
            order = record_broker_order(order, reported) if reported else order
        _follow(saga, order)
    saga.refresh_from_db()
    return saga


def read_saga(saga_id: UUID) -> Saga:
    """Return a saga with its order, its decision and the decision's strategy."""
    return Saga.objects.select_related("order", "decision__strategy").get(pk=saga_id)


def _postpone(saga: Saga, until: datetime | None = None) -> None:
    """Give the saga back to the queue: its next visit comes then, and others go first."""
    Saga.objects.filter(pk=saga.pk).update(next_poll_at=until or timezone.now() + POLL_INTERVAL)


def _advance(saga: Saga) -> None:
    _postpone(saga)
    order = saga.order
    if order.status in UNSENT:
        saga_steps.begin(saga, Step.SUBMIT_ORDER)
        with span(Step.SUBMIT_ORDER.value, symbol=order.symbol):
            order = submit_order(order.pk)
        if order.status in UNSENT:
            _postpone(saga, order.next_try_at)
    if order.acknowledged_at is not None:
        saga_steps.end(saga, Step.SUBMIT_ORDER, StepStatus.COMPLETED, broker_order_id=order.broker_order_id)
    if order.status in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED):
        with span(Step.CONFIRM_FILL.value, symbol=order.symbol):
            order = _confirm(saga, order)
    saga.order = order
    if not order.is_open:
        _settle(saga, order)


def _confirm(saga: Saga, order: Order) -> Order:
    """Ask how the order stands; past the saga's deadline or under the switch ask to cancel it first.

    An order that the broker neither ends nor cancels in two minutes of asking is a compensation that
    failed: nobody knows what it will still do.
    """
    broker_order_id = order.broker_order_id
    assert broker_order_id is not None  # noqa: S101 - an accepted order has one
    saga_steps.begin(saga, Step.CONFIRM_FILL)
    # An entry whose request outlived its killed sender reaches the broker after the switch's cancels.
    unwanted = order.purpose == Purpose.ENTRY and switch.is_engaged()
    in_time = in_force(saga.deadline_at, timezone.now(), saga.deadline_at - saga.started_at)
    if in_time and not unwanted:
        reported = current_providers().broker.order(broker_order_id)
        return record_broker_order(order, reported) if reported else order
    order = _cancel_and_look(order, broker_order_id)
    since = saga_steps.note_cancel(saga)
    if order.is_open and not in_force(since + CANCEL_PATIENCE, timezone.now(), CANCEL_PATIENCE):
        error = OrderWillNotEndError(f"{order.symbol}: open at the broker although cancelled since {since}")
        compensation.give_up(saga, error)
    return order


def _cancel_and_look(order: Order, broker_order_id: str) -> Order:
    broker = current_providers().broker
    try:
        broker.cancel_order(broker_order_id)
    except RejectedError as error:
        log_failure(
            "cancel_came_late",
            error=error,
            operation="cancel_order",
            state=order.status,
            cycle_id=order.cycle_id,
            symbol=order.symbol,
        )
    reported = broker.order(broker_order_id)
    return record_broker_order(order, reported) if reported else order


def _follow(saga: Saga, order: Order) -> None:
    """Settle an order that nobody wants any more; one that turns out to be open is cancelled first."""
    if order.is_open and order.broker_order_id is not None:
        order = _cancel_and_look(order, order.broker_order_id)
    if not order.is_open:
        _settle(saga, order)


def _settle(saga: Saga, order: Order) -> None:
    """Bring a saga whose order has ended to its end: booked, or undone."""
    order.refresh_from_db()
    if order.filled_quantity > 0:
        if saga_steps.booked_quantity(saga) < order.filled_quantity:
            with span(Step.UPDATE_POSITION.value, symbol=order.symbol):
                _book(saga, order)
    elif saga.status == SagaStatus.COMPENSATING:
        with span("undo", symbol=order.symbol):
            compensation.undo(saga)
    elif saga.status in (SagaStatus.RUNNING, SagaStatus.FAILED):
        with span("compensate", symbol=order.symbol):
            compensation.compensate(saga, order)


def _book(saga: Saga, order: Order) -> None:
    """Book what filled: the position sync first, then trade, reservation and statuses together."""
    event = "complete" if saga.status == SagaStatus.RUNNING else "late_fill"
    facts: dict[str, Any] = {
        "filled_quantity": str(order.filled_quantity),
        "average_price": str(order.average_price),
    }
    saga_steps.end(saga, Step.CONFIRM_FILL, StepStatus.COMPLETED, **facts)
    saga_steps.begin(saga, Step.UPDATE_POSITION)
    if not _positions_hold(order):
        return  # the room stays reserved; the next visit asks again
    with transaction.atomic():
        current = locked_order(order.pk, with_strategy=True)
        reported = (order.filled_quantity, order.ended_sequence)
        if (current.filled_quantity, current.ended_sequence) != reported:
            return  # more filled since the sync: the next call syncs again
        if saga_steps.booked_quantity(saga) >= current.filled_quantity:
            return
        now = timezone.now()
        if not transitions.apply(saga, event, changes={"ended_at": now}, symbol=order.symbol, **facts):
            return
        if event == "late_fill":
            saga_steps.correct(saga, **facts)
        saga_steps.end(saga, Step.UPDATE_POSITION, StepStatus.COMPLETED)
        book_trade(current, unit_cost=saga_steps.unit_cost_of(saga))
        compensation.release(current, reason=SYNCED)
        _settle_decision(saga, event)


def _positions_hold(order: Order) -> bool:
    """Sync until the stored positions hold what the order filled; return whether they do.

    The reservation must not end before: the fill would count nowhere, and its room be given out twice.
    """
    note_end(order)
    for _ in range(SYNCS_AT_MOST):
        if includes(order):  # the sync of another saga may have brought it along
            return True
        sync_portfolio(order.cycle_id, looks=1)  # many sagas end at once, and requests are limited
    if includes(order):
        return True
    log.warning("fill_not_in_positions", symbol=order.symbol, client_order_id=order.client_order_id)
    return False


def _settle_decision(saga: Saga, event: str) -> None:
    decision, symbol = saga.decision, saga.order.symbol
    decision.refresh_from_db()
    if decision.status == DecisionStatus.EXECUTED:
        return
    if decision.status == DecisionStatus.EXECUTING:
        event = "complete"
    changes = {"reason": "", "reason_detail": "", "settled_at": timezone.now()}
    transitions.apply(decision, event, changes=changes, symbol=symbol)
