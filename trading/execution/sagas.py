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

from connectors.errors import ConnectorError, RejectedError, UnavailableError
from risk.services import switch
from trading.core import transitions
from trading.core.failures import log_order_failure
from trading.core.providers import current_providers
from trading.core.row_locks import locked_order
from trading.core.trace_spans import span
from trading.domain.ages import in_force
from trading.domain.order_ids import Purpose
from trading.domain.statuses import OPEN_SAGA, DecisionStatus, OrderStatus, SagaStatus
from trading.errors import TradingError
from trading.execution import compensation, saga_steps
from trading.execution.portfolio import SYNCED, holds_fill, includes, note_end, sync_portfolio
from trading.execution.trade_booking import book_trade
from trading.models import Order, Saga, SagaStep
from trading.orders.execution_reports import record_broker_order
from trading.orders.submission import UNSENT, submit_order

log = structlog.get_logger(__name__)
POLL_INTERVAL = timedelta(seconds=3)
CANCEL_PATIENCE = timedelta(seconds=120)
SYNC_PATIENCE = timedelta(seconds=30)  # past its deadline, for a saga that has only just filled
NOT_UPDATED = "position_not_updated"
SYNCS_AT_MOST = 2  # in one visit: a sync that was refused has a newer one before it, which will do
Step, StepStatus = SagaStep.Name, SagaStep.Status


class PositionNotUpdatedError(TradingError):
    """An order has filled, and the positions could not be brought to hold it until its saga's deadline."""


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
    elif order.filled_quantity > 0:
        _book_part(saga, order)


def _book_part(saga: Saga, order: Order) -> None:
    """Book what has filled of an order that goes on: a trade at once, grown by the next fill."""
    with transaction.atomic():
        current = locked_order(order.pk, with_strategy=True)
        if current.is_open and current.filled_quantity > saga_steps.booked_quantity(saga):
            book_trade(current, unit_cost=saga_steps.unit_cost_of(saga))


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
    _require_end(saga, order)
    return order


def _require_end(saga: Saga, order: Order) -> None:
    """Give up a saga whose order is open although the broker was asked to cancel it, and answered, for two minutes.

    It makes no difference how it answered: it took the cancel, refused it, or failed at it.
    """
    since = saga_steps.note_cancel(saga)
    if order.is_open and not in_force(since + CANCEL_PATIENCE, timezone.now(), CANCEL_PATIENCE):
        error = OrderWillNotEndError(f"{order.symbol}: open at the broker although cancelled since {since}")
        compensation.give_up(saga, error)


def _cancel_and_look(order: Order, broker_order_id: str) -> Order:
    """Ask for a cancel, and how the order stands then.

    Raises:
        ConnectorError: the broker does not say how it stands; whether it took the cancel is only logged.
    """
    broker = current_providers().broker
    try:
        broker.cancel_order(broker_order_id)
    except RejectedError as error:
        log_order_failure("cancel_came_late", order=order, error=error, operation="cancel_order")
    except UnavailableError as error:
        log_order_failure("cancel_not_taken", order=order, error=error, operation="cancel_order")
    reported = broker.order(broker_order_id)
    return record_broker_order(order, reported) if reported else order


def _follow(saga: Saga, order: Order) -> None:
    """Settle an order that nobody wants any more; one that turns out to be open is cancelled first."""
    if order.is_open and order.broker_order_id is not None:
        order = _cancel_and_look(order, order.broker_order_id)
        if saga.status == SagaStatus.COMPENSATING:
            _require_end(saga, order)
    if not order.is_open:
        _settle(saga, order)
    elif order.filled_quantity > 0 and saga.status == SagaStatus.COMPENSATING:
        _book_part(saga, order)


def _settle(saga: Saga, order: Order) -> None:
    """Bring a saga whose order has ended to its end: booked, or undone."""
    order.refresh_from_db()
    saga.refresh_from_db(fields=["status"])
    if order.filled_quantity > 0:
        if not _is_booked(saga, order):
            with span(Step.UPDATE_POSITION.value, symbol=order.symbol):
                _book(saga, order)
    elif saga.status == SagaStatus.COMPENSATING:
        with span("undo", symbol=order.symbol):
            compensation.undo(saga)
    elif saga.status in (SagaStatus.RUNNING, SagaStatus.FAILED):
        with span("compensate", symbol=order.symbol):
            compensation.compensate(saga, order)


def _is_booked(saga: Saga, order: Order) -> bool:
    """Tell whether the saga is complete with all that has filled; a part may be in its trade before that."""
    return saga.status == SagaStatus.COMPLETED and saga_steps.booked_quantity(saga) >= order.filled_quantity


def _book(saga: Saga, order: Order) -> None:
    """Book what filled: the position sync first, then trade, reservation and statuses together.

    A sync that does not succeed until the saga's deadline ends the saga all the same.
    """
    event = "complete" if saga.status == SagaStatus.RUNNING else "late_fill"
    facts: dict[str, Any] = {
        "filled_quantity": str(order.filled_quantity),
        "average_price": str(order.average_price),
    }
    saga_steps.end(saga, Step.CONFIRM_FILL, StepStatus.COMPLETED, **facts)
    saga_steps.begin(saga, Step.UPDATE_POSITION)
    try:
        holds, words = _positions_hold(order), "the broker's positions do not hold the fill"
    except (ConnectorError, TradingError) as error:
        if not _is_overdue(saga):
            raise
        holds, words = False, str(error)
    if not holds:
        if _is_overdue(saga):
            _end_without_position(saga, order, words)
        return  # the room stays reserved; the next visit asks again
    with transaction.atomic():
        current = locked_order(order.pk, with_strategy=True)
        reported = (order.filled_quantity, order.ended_sequence)
        if (current.filled_quantity, current.ended_sequence) != reported:
            return  # more filled since the sync: the next call syncs again
        if _is_booked(saga, current):
            return
        now = timezone.now()
        if not transitions.apply(saga, event, changes={"ended_at": now}, symbol=order.symbol, **facts):
            return
        if event == "late_fill":
            saga_steps.correct(saga, **facts)
        saga_steps.end(saga, Step.UPDATE_POSITION, StepStatus.COMPLETED)
        book_trade(current, unit_cost=saga_steps.unit_cost_of(saga))
        if holds_fill(current):  # else the first sync that can read the position lets go of it
            compensation.release(current, reason=SYNCED)
        _settle_decision(saga, event)


def _is_overdue(saga: Saga) -> bool:
    """Tell whether a saga under way is past its deadline, and its positions were asked for long enough."""
    now, began = timezone.now(), saga_steps.update_began_at(saga)
    in_time = in_force(saga.deadline_at, now, saga.deadline_at - saga.started_at)
    is_young = in_force(began + SYNC_PATIENCE, now, SYNC_PATIENCE)
    return saga.status in OPEN_SAGA and not in_time and not is_young


def _end_without_position(saga: Saga, order: Order, words: str) -> None:
    """End a saga whose position could not be updated: what filled is booked, its room stays reserved.

    Nothing is undone, for the broker has the fill. The sweeper goes on asking; once the positions hold the fill the
    saga is complete after all, and its room is given back.
    """
    message = f"{NOT_UPDATED}: {words}"[:500]
    changes = {"error": message, "ended_at": timezone.now()}
    with transaction.atomic():
        current = locked_order(order.pk, with_strategy=True)
        symbol = current.symbol
        if not transitions.apply(
            saga, "fail", changes=changes, reason=NOT_UPDATED, error=message, symbol=symbol
        ):
            return
        saga_steps.fail_current(saga, reason=NOT_UPDATED, message=message)
        book_trade(current, unit_cost=saga_steps.unit_cost_of(saga))
        _settle_decision(saga, "complete")
    error = PositionNotUpdatedError(message)
    log_order_failure(NOT_UPDATED, order=order, error=error, operation="update_position", is_final=True)


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
