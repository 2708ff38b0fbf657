"""Settle what has filled: one position sync for all orders that have ended, then each saga is booked.

The gate must not give a fill's room out before the stored positions hold it, so a saga is booked only after a sync that
was asked for after its order's end (``sync_sequence.includes``). One such sync serves all orders that ended before it,
as one flush of a log serves all transactions that wait for it:

1. who ends while other orders are about to leaves the sync to the last of them,
2. one process at a time syncs; who finds it taken leaves its saga to the one that has it,
3. who has synced books every saga whose order the positions now hold, and looks once more for what ended meanwhile.

Whoever is killed, or waited for in vain, is followed by the sweeper: every saga has its ``next_poll_at``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, transaction
from django.db.models import Exists, Q, QuerySet
from django.utils import timezone

from connectors.errors import ConnectorError
from risk.services import book as risk_book
from trading.core import transitions
from trading.core.failures import log_order_failure
from trading.core.process_lock import only_one
from trading.core.providers import current_providers
from trading.core.row_locks import locked_order, locked_orders
from trading.core.statements.compiled_updates import CompiledUpdate
from trading.core.statements.message import Message
from trading.core.statements.moved_rows import Statement
from trading.core.transitions import Move
from trading.core.waits import is_to_come
from trading.domain.ages import in_force, is_fresh
from trading.domain.statuses import OPEN_ORDER, OPEN_SAGA, DecisionStatus, OrderStatus, SagaStatus
from trading.errors import TradingError
from trading.execution import confirmation, saga_steps
from trading.execution.portfolio import SYNCED, held_by_positions, sync_portfolio
from trading.execution.portfolio_truth import submitted_after
from trading.execution.sync_sequence import includes, note_end, stored_sequence
from trading.execution.trade_booking import book_trade, book_trades, note_booked
from trading.market.market_time import latest_reading
from trading.models import Order, Saga, SagaStep
from trading.orders.execution_reports import record_missing, without_executions

log = structlog.get_logger(__name__)
SYNC_PATIENCE = timedelta(seconds=30)  # past its deadline, for a saga that has only just filled
NOT_UPDATED = "position_not_updated"
SYNCS_AT_MOST = 3  # in one visit: the last who end meanwhile are the next visit's
UNDER_WAY = "settlement"
FILLED_SOON = timedelta(seconds=1)  # after it was sent; who has ended waits no longer for another
WAITS_AT_MOST = timedelta(seconds=2)
LISTED_WITHIN = timedelta(seconds=10)  # after its end, an order's executions are in the broker's list
Step, StepStatus = SagaStep.Name, SagaStep.Status
NOT_STORABLE = (IntegrityError, DataError, TradingError)


class PositionNotUpdatedError(TradingError):
    """An order has filled, and the positions could not be brought to hold it until its saga's deadline."""


def settle(saga: Saga, order: Order) -> None:
    """Book what an order that has ended filled: the position sync first, then trade, reservation and statuses.

    A sync that does not succeed until the saga's deadline ends the saga all the same.

    Raises:
        ConnectorError: the broker did not answer; the saga stays where it is and is tried again.
    """
    facts = _facts(order)
    noted = Message()
    saga_steps.end(saga, Step.CONFIRM_FILL, StepStatus.COMPLETED, said_with=noted, **facts)
    saga_steps.begin(saga, Step.UPDATE_POSITION, said_with=noted)
    noted.say()
    note_end(order)
    try:
        holds, words = _positions_hold(order), "the broker's positions do not hold the fill"
    except (ConnectorError, TradingError) as error:
        if not _is_overdue(saga):
            raise
        holds, words = False, str(error)
    if holds:
        saga.order = order
        if _stands_as_read(saga):  # else it was booked with the others
            _complete([saga])
    elif holds is False and _is_overdue(saga):
        _end_without_position(saga, order, words)
    else:
        leave_to_others(saga)


def _stands_as_read(saga: Saga) -> bool:
    return Saga.objects.filter(pk=saga.pk, status=saga.status).exists()


def leave_to_others(saga: Saga) -> None:
    """Have the saga looked at again soon, should nobody else's sync have settled it by then."""
    Saga.objects.filter(pk=saga.pk).update(next_poll_at=timezone.now() + FILLED_SOON)


def leave_to_the_last(saga: Saga, order: Order) -> bool:
    """Do so where other orders are about to end, so that this one, which has, is settled with the last of them.

    Returns:
        Whether there are any.
    """
    now = timezone.now()
    if not is_fresh(order.ended_at, now, WAITS_AT_MOST):
        return False
    return bool(_LEFT_TO_THE_LAST.run(saga.pk, order.pk, now=now))


def leaving_to_the_last(saga: Saga, order: Order) -> Statement:
    """Return the statement that does so for an order that has ended by the message's move, once that is committed.

    It finds the order's place in the order of syncs, and whether it was left; nothing where it has not moved.
    """
    left = _LEFT_TO_THE_LAST.as_statement(saga.pk, order.pk, now=timezone.now(), name="left")
    return Statement(_LEFT.format(update=left.text), left.values)


def is_waited_for(order: Order) -> bool:
    """Tell whether other orders are about to end, so that this one, which has, is settled with the last of them."""
    now = timezone.now()
    if not is_fresh(order.ended_at, now, WAITS_AT_MOST):
        return False
    return _are_others_about_to_end(order)


def _are_others_about_to_end(order: Order) -> bool:
    return Saga.objects.filter(_others_end_soon(order.pk, timezone.now()), order=order).exists()


def _others_end_soon(order_id: UUID, now: datetime) -> Q:
    filled_soon = Q(status=OrderStatus.ACCEPTED, submitted_at__gt=now - FILLED_SOON)
    soon = Order.objects.filter(filled_soon, saga__status=SagaStatus.RUNNING)
    soon = soon.exclude(is_to_come("submitted_at", now))  # by a clock that stepped back since
    sent, sent_soon = soon.exclude(pk=order_id), confirmation.sent_soon(now).exclude(pk=order_id)
    return Q(Exists(sent_soon)) | Q(Exists(sent))


def _left_to_the_last(keys: Sequence[UUID], now: datetime) -> tuple[QuerySet[Saga], Mapping[str, Any]]:
    saga_id, order_id = keys
    waits = Saga.objects.filter(_others_end_soon(order_id, now), pk=saga_id)
    return waits, {"next_poll_at": now + FILLED_SOON}


_LEFT = """
WITH those_left AS ({update} RETURNING 1)
SELECT ended_sequence, EXISTS (SELECT FROM those_left) FROM orders
WHERE id = %(row_key)s AND ended_at = %(set_ended_at)s
"""
_LEFT_TO_THE_LAST = CompiledUpdate(_left_to_the_last, keys=2)  # each order that fills is left so


def is_one_of_many(saga: Saga) -> bool:
    """Tell whether whoever settles another saga settles this one, too: its order has filled, and it is in time.

    Args:
        saga: with its order.
    """
    order = saga.order
    if saga.status != SagaStatus.RUNNING or order.is_open or order.filled_quantity == 0:
        return False
    return in_force(saga.deadline_at, timezone.now(), saga.deadline_at - saga.started_at)


def is_booked(saga: Saga, order: Order) -> bool:
    """Tell whether the saga is complete with all that has filled; a part may be in its trade before that.

    Args:
        order: as it is stored now.
    """
    if saga.status != SagaStatus.COMPLETED or order.booked_quantity < order.filled_quantity:
        return False
    return saga_steps.booked_quantity(saga) >= order.filled_quantity


def book_part(saga: Saga, order: Order) -> None:
    """Book what has filled of an order that goes on: a trade at once, grown by the next fill."""
    with transaction.atomic():
        current = locked_order(order.pk, with_strategy=True)
        if current.is_open and current.filled_quantity > saga_steps.booked_quantity(saga):
            book_trade(current, unit_cost=saga_steps.unit_cost_of(saga))


def _facts(order: Order) -> dict[str, Any]:
    return {"filled_quantity": str(order.filled_quantity), "average_price": str(order.average_price)}


def _positions_hold(order: Order) -> bool | None:
    """Bring the stored positions to hold what the order filled; return whether they do.

    None: it is left to others, who are about to end, or to the process that is at it.
    """
    if includes(order):  # the sync of another saga has brought it along
        return True
    if is_waited_for(order):
        return None
    for _ in range(SYNCS_AT_MOST):
        with only_one(UNDER_WAY) as is_one:
            if not is_one:
                return includes(order) or None
            sync_portfolio(order.cycle_id, looks=1)
        if includes(order) and (not _complete_all() or _are_others_about_to_end(order)):
            break  # those who end after them find a sync of their own
    if includes(order):
        return True
    log.warning("fill_not_in_positions", symbol=order.symbol, client_order_id=order.client_order_id)
    return False


def _complete_all() -> bool:
    """Book all sagas whose orders the stored positions hold; return whether one has ended since they were asked for,
    which takes another sync.
    """
    filled = Q(order__filled_quantity__gt=0, order__ended_sequence__isnull=False)
    ended = Saga.objects.filter(filled, status__in=OPEN_SAGA).exclude(order__status__in=OPEN_ORDER)
    sagas = list(ended.select_related("order").order_by("order__ended_sequence"))
    stored = stored_sequence()
    held = [saga for saga in sagas if (saga.order.ended_sequence or stored) < stored]
    try:
        _complete(held)
    except NOT_STORABLE:
        for saga in held:
            try:
                _complete([saga])
            except NOT_STORABLE as error:  # its own visit meets it again, and says so
                log.warning("settlement_left_one", symbol=saga.order.symbol, error=str(error).strip())
    return len(held) < len(sagas)


def _complete(sagas: Sequence[Saga]) -> None:
    """Write trades, reservations and statuses of orders that the stored positions hold, together or not at all.

    Args:
        sagas: with their orders as they were when the positions were asked for: of which more has filled since, the
            next call syncs again.
    """
    sagas = _with_executions(sagas)
    if not sagas:
        return
    with transaction.atomic():
        current = {order.pk: order for order in locked_orders([saga.order_id for saga in sagas])}
        moves = [
            _ending(saga, current[saga.order_id]) for saga in sagas if _is_due(saga, current[saga.order_id])
        ]
        moved = transitions.apply_all(moves)
        ended = [saga for saga in sagas if saga.pk in moved]
        if not ended:
            return
        late = [saga for saga in ended if saga.status != SagaStatus.RUNNING]
        for saga in late:
            saga_steps.correct(saga, **_facts(current[saga.order_id]))
        saga_steps.complete_all({saga.pk: _step_results(current[saga.order_id]) for saga in ended})
        costs = saga_steps.unit_costs_of(ended)
        orders = [current[saga.order_id] for saga in ended]
        book_trades([(order, costs[saga.pk]) for saga, order in zip(ended, orders, strict=True)])
        note_booked(orders)
        # Of what could not be read, or is not there yet, the first sync that has it lets go.
        held = [
            order.reservation_id for order in held_by_positions(orders) if order.reservation_id is not None
        ]
        released = risk_book.releasing(held, reason=SYNCED)
        released.rows.update(**released.values)
        _settle_decisions(orders, late=late)


def _with_executions(sagas: Sequence[Saga]) -> list[Saga]:
    """Return the sagas whose orders' executions are all recorded; what the stream has lost is asked for first.

    The broker may list an execution later than its stream tells it: until then the saga waits for its next visit. Not
    for ever: the trade is booked by what the order says of itself, and reconciliation looks for the executions again.
    """
    orders = {saga.order_id: saga.order for saga in sagas}
    short = {order.pk for order in without_executions(orders.values())}
    if short:
        answered = _ask_for_executions([orders[pk] for pk in short])
        short = {order.pk for order in without_executions([orders[pk] for pk in short])}
        now = timezone.now()
        for saga in [saga for saga in sagas if saga.order_id in short]:
            is_young = is_fresh(saga.order.ended_at, now, LISTED_WITHIN)
            if not is_young and (answered or _is_overdue(saga)):
                short.discard(saga.order_id)
                log.warning("executions_missing", client_order_id=saga.order.client_order_id)
    return [saga for saga in sagas if saga.order_id not in short]


def _ask_for_executions(orders: Sequence[Order]) -> bool:
    """Have the broker tell what it executed of these orders; return whether it answered."""
    market = latest_reading()
    if market is None:
        return False
    oldest = min(order.created_at for order in orders)
    since = submitted_after(market.now, market.rate, oldest, timezone.now())
    try:
        record_missing(orders, broker=current_providers().broker, since=since)
    except ConnectorError as error:
        log.warning("executions_not_told", orders=len(orders), error=str(error))
        return False
    return True


def _is_due(saga: Saga, current: Order) -> bool:
    asked_for = (saga.order.filled_quantity, saga.order.ended_sequence)
    return (current.filled_quantity, current.ended_sequence) == asked_for and not is_booked(saga, current)


def _ending(saga: Saga, order: Order) -> Move:
    event = "complete" if saga.status == SagaStatus.RUNNING else "late_fill"
    return Move(saga, event, {"ended_at": timezone.now()}, {"symbol": order.symbol, **_facts(order)})


def _step_results(order: Order) -> Mapping[str, Mapping[str, Any]]:
    return {Step.SUBMIT_ORDER: {"broker_order_id": order.broker_order_id}, Step.CONFIRM_FILL: _facts(order)}


def _settle_decisions(orders: Sequence[Order], *, late: Sequence[Saga] = ()) -> None:
    """End the decisions whose orders have filled; what another way has ended as executed stays so.

    Args:
        orders: with their decisions.
    """
    filled_late = {saga.decision_id for saga in late}
    moves = []
    for decision in {order.decision.pk: order.decision for order in orders if order.decision}.values():
        if decision.status == DecisionStatus.EXECUTED:
            continue
        is_late = decision.pk in filled_late and decision.status != DecisionStatus.EXECUTING
        changes = {"reason": "", "reason_detail": "", "settled_at": timezone.now()}
        event = "late_fill" if is_late else "complete"
        moves.append(Move(decision, event, changes, {"symbol": decision.symbol}))
    transitions.apply_all(moves)


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
        _settle_decisions([current])
    error = PositionNotUpdatedError(message)
    log_order_failure(NOT_UPDATED, order=order, error=error, operation="update_position", is_final=True)
