"""The saga of an order: submit, confirm the fill, update the position; or undo what the gate reserved.

Everything here can run again after a crash in any line: each step reads what is recorded, asks the
broker, and records with a conditional update. Before the broker has an order the saga may be undone;
after that it only goes forward, to the truth the broker tells.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from connectors.errors import RejectedError, UnavailableError
from trading.core import settings
from trading.core.failures import log_order_failure
from trading.core.providers import current_providers
from trading.core.statements.compiled_reads import CompiledRead
from trading.core.trace_spans import span
from trading.domain.ages import in_force
from trading.domain.statuses import OrderStatus, SagaStatus
from trading.errors import TradingError
from trading.execution import compensation, confirmation, saga_steps, settlement
from trading.models import Order, Saga, SagaStep
from trading.orders.execution_reports import record_broker_order
from trading.orders.first_answer import NotedWith
from trading.orders.submission import UNSENT, submit_order

log = structlog.get_logger(__name__)
CANCEL_PATIENCE = timedelta(seconds=120)
Step, StepStatus = SagaStep.Name, SagaStep.Status
_SAGA = CompiledRead(lambda pk: Saga.objects.select_related("order").filter(pk=pk), of=UUID)
_OF_DECISION = CompiledRead(
    lambda pk: settings.with_all(Saga.objects.open().select_related("order").filter(decision_id=pk)), of=UUID
)


class OrderWillNotEndError(TradingError):
    """The broker answers, but an order past its saga's deadline stays open whatever we ask."""


def advance_saga(saga_id: UUID) -> Saga:
    """Take a saga as far as the broker's word allows now; return it as it stands.

    Raises:
        ConnectorError: the broker did not answer; the saga stays where it is and is tried again.
    """
    return advance(read_saga(saga_id))


def advance(saga: Saga) -> Saga:
    """Do the same with a saga that ``read_saga`` has just read."""
    ids = {"saga_id": saga.pk, "decision_id": saga.decision_id, "cycle_id": saga.cycle_id}
    with bound_contextvars(**{name: str(value) for name, value in ids.items()}):
        if saga.status == SagaStatus.RUNNING:
            if not _advance(saga):
                return saga
        elif saga.status == SagaStatus.COMPENSATING:
            _postpone(saga)
            _follow(saga, saga.order)
    return read_saga(saga.pk)


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
    """Return a saga with its order; its decision is read by the few who need it."""
    return _SAGA.get(saga_id)


def saga_under_way(decision_id: UUID) -> Saga | None:
    """Return the open saga of a decision with its order; None where there is none: it is not judged yet, or over.

    The settings are read with it, for the block of ``read_once`` that is open, where one is.
    """
    saga = _OF_DECISION.first(decision_id)
    if saga is not None:
        settings.keep_read_with(saga)
    return saga


def _postpone(saga: Saga, until: datetime | None = None) -> None:
    """Give the saga back to the queue: its next visit comes then, and others go first."""
    Saga.objects.filter(pk=saga.pk).update(next_poll_at=until or timezone.now() + confirmation.POLL_INTERVAL)


def _advance(saga: Saga) -> bool:
    """Take a saga under way further; return whether its own row may have moved.

    It has not where its order was only brought to the broker, and is open there.
    """
    order = saga.order
    was_unsent = order.status in UNSENT
    next_poll_at = timezone.now() + confirmation.POLL_INTERVAL
    noted = saga_steps.noted_with_answer(saga, next_poll_at=next_poll_at)
    if not was_unsent:
        _postpone(saga, next_poll_at)
    else:
        order = _submit(saga, next_poll_at, noted)
        if order.status in UNSENT:
            _postpone(saga, order.next_try_at)
    is_at_broker = order.status in confirmation.AT_THE_BROKER
    heard_at = noted.told
    if order.acknowledged_at is not None and not noted.is_noted:
        heard_at = saga_steps.note_submitted(
            saga,
            order.broker_order_id,
            next_poll_at=next_poll_at,
            began=order.submitted_at,
            confirms=is_at_broker,
        )
    asks = is_at_broker and not (was_unsent and confirmation.is_word_due(order, heard_at=heard_at))
    if asks:
        with span(Step.CONFIRM_FILL.value, symbol=order.symbol):
            order = _confirm(saga, order)
    saga.order = order
    if not order.is_open:
        _settle(saga, order)
    elif order.filled_quantity > 0:
        settlement.book_part(saga, order)
    return asks or not (is_at_broker and order.is_open)


def _submit(saga: Saga, next_poll_at: datetime, noted: NotedWith) -> Order:
    """Bring the order to the broker; return it as it stands.

    A first visit is noted once it is over, and by the note of its success alone, where it has any: the next visit comes
    in time, too, should this one be cut off, for the gate has said when.
    """
    order = saga.order
    is_first = order.status == OrderStatus.CREATED and saga.next_poll_at >= next_poll_at
    if not is_first:
        saga_steps.begin_visit(saga, Step.SUBMIT_ORDER, next_poll_at=next_poll_at)
    is_taken = False
    try:
        with span(Step.SUBMIT_ORDER.value, symbol=order.symbol):
            order = submit_order(order.pk, read=order, noted=noted)
        is_taken = order.acknowledged_at is not None
    finally:
        if is_first and not is_taken:
            saga_steps.begin_visit(saga, Step.SUBMIT_ORDER, next_poll_at=next_poll_at)
    return order


def _confirm(saga: Saga, order: Order) -> Order:
    """Ask how the order stands; past the saga's deadline or under the switch ask to cancel it first.

    An order that the broker neither ends nor cancels in two minutes of asking is a compensation that
    failed: nobody knows what it will still do.
    """
    broker_order_id = order.broker_order_id
    assert broker_order_id is not None  # noqa: S101 - an accepted order has one
    saga.order = order
    if confirmation.waits_for_word(saga):
        return confirmation.confirm(order)
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
        settlement.book_part(saga, order)


def _settle(saga: Saga, order: Order) -> None:
    """Bring a saga whose order has ended to its end: booked, or undone."""
    order.refresh_from_db()
    saga.refresh_from_db(fields=["status"])
    if order.filled_quantity > 0:
        if not settlement.is_booked(saga, order):
            with span(Step.UPDATE_POSITION.value, symbol=order.symbol):
                settlement.settle(saga, order)
    elif saga.status == SagaStatus.COMPENSATING:
        with span("undo", symbol=order.symbol):
            compensation.undo(saga)
    elif saga.status in (SagaStatus.RUNNING, SagaStatus.FAILED):
        with span("compensate", symbol=order.symbol):
            compensation.compensate(saga, order)
