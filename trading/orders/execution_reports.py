"""Record what the broker reports of an order: status and fills only ever advance, and repeats change nothing."""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import structlog
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from connectors.base import Broker, BrokerFill, BrokerOrder, BrokerOrderStatus
from connectors.errors import MalformedError, RejectedError
from trading.core import transitions
from trading.core.failures import log_order_failure
from trading.core.providers import current_providers
from trading.core.row_locks import locked_order
from trading.core.statements.moved_rows import Beside, CompiledCondition, CompiledExpression
from trading.core.statements.new_rows import new
from trading.core.statements.written_rows import insert_rows
from trading.domain.statuses import OPEN_ORDER, ORDER, OrderStatus
from trading.models import Fill, Order
from trading.models.portfolio import next_in_order
from trading.orders.legs import claim_parents_without_legs, rows_of_resting, take_legs

log = structlog.get_logger(__name__)

EVENT_OF = MappingProxyType(
    {
        BrokerOrderStatus.ACCEPTED: "accept",
        BrokerOrderStatus.PARTIALLY_FILLED: "partial_fill",
        BrokerOrderStatus.FILLED: "fill",
        BrokerOrderStatus.CANCELED: "cancel",
        BrokerOrderStatus.EXPIRED: "expire",
        BrokerOrderStatus.REJECTED: "reject",
        BrokerOrderStatus.REPLACED: "replace",
    }
)


MISSING = object()
# Of a statement that is said after ``record_accepted`` in its message: whether that has recorded the answer.
ACKNOWLEDGED_NOW = "id = %(row_key)s AND acknowledged_at = %(set_acknowledged_at)s"
_IS_UNFILLED = CompiledCondition(Order, Q(filled_quantity=0))
_NEXT_IN_ORDER = CompiledExpression(Order, "ended_sequence", next_in_order())
_EXECUTED = "SELECT order_id, sum(quantity) FROM fills WHERE order_id = ANY(%s) GROUP BY order_id"
_EXECUTIONS = "SELECT execution_id, quantity, price FROM fills WHERE order_id = %s"


def look_up(broker: Broker, broker_order_id: str) -> BrokerOrder | None:
    """Ask how an order stands; an answer that cannot be understood tells no more than we know: None.

    Raises:
        ConnectorError: the broker did not answer.
    """
    try:
        return broker.order(broker_order_id)
    except MalformedError as error:
        log.warning("order_unreadable", broker_order_id=broker_order_id, error=str(error))
        return None


def record_together(orders: Mapping[str, Order], *, broker: Broker, since: datetime) -> set[str]:
    """Ask how orders stand, one request for all, and for what has filled of them, one more; record what is said.

    Args:
        orders: by the broker's id.
        since: the broker's time before which none of them was submitted.

    Returns:
        The ids of those that are recorded; the others may be older, or could not be read, or not be stored.

    Raises:
        ConnectorError: the broker did not answer; nothing was recorded.
    """
    listed = [one for one in broker.orders(open_only=False, after=since) if one.broker_order_id in orders]
    news = [one for one in listed if one.filled_quantity > orders[one.broker_order_id].filled_quantity]
    fills = broker.fills(after=since) if news else []
    recorded = set()
    for reported in listed:
        theirs = [fill for fill in fills if fill.broker_order_id == reported.broker_order_id]
        try:
            record_reported(orders[reported.broker_order_id], reported, theirs)
        except (IntegrityError, DataError) as error:
            log.warning(
                "order_not_stored", broker_order_id=reported.broker_order_id, error=str(error).strip()
            )
        else:
            recorded.add(reported.broker_order_id)
    return recorded


def record_broker_order(order: Order, reported: BrokerOrder) -> Order:
    """Bring our row to what the broker says, fills included; return the row as it stands.

    Older news than what is recorded (a smaller filled quantity, a status the machine has left) changes
    nothing.

    Raises:
        ConnectorError: the fills could not be read; nothing was recorded.
    """
    fills = _executions(order, reported) if reported.filled_quantity > order.filled_quantity else []
    return record_reported(order, reported, fills)


def learn_of_legs(broker: Broker) -> bool:
    """Ask for the legs that orders of ours brought along, where none are known; return whether any were.

    Raises:
        ConnectorError: the broker did not answer.
    """
    parents = claim_parents_without_legs()
    for parent in parents:
        reported = look_up(broker, parent.broker_order_id) if parent.broker_order_id else None
        if reported is not None:
            record_broker_order(parent, reported)
    return bool(parents)


def record_reported(order: Order, reported: BrokerOrder, fills: Sequence[BrokerFill]) -> Order:
    """Do the same with fills that were read already; asks nobody, so it may run in a transaction.

    Args:
        order: the row that is returned has its saga, where that was read.
        fills: the order's executions as far as the broker tells them; older news may bring some, too. A leg that has
            sold is asked about itself, for its own.
    """
    with transaction.atomic():
        row = locked_order(order.pk)
        was_unfilled = row.filled_quantity == 0
        if reported.filled_quantity < row.filled_quantity:
            record_fills(row, fills)
            return row
        is_first, changes = row.acknowledged_at is None, _acknowledgement(row, reported)
        event = EVENT_OF[reported.status]
        moved = (row.status, event) in ORDER and (
            ORDER[(row.status, event)] != row.status or reported.filled_quantity > row.filled_quantity
        )
        if moved:
            _apply(row, event, changes, reported)
        elif row.status in OPEN_ORDER:
            Order.objects.filter(pk=row.pk).update(**changes)
            _take_over(row, changes)
        if fills:
            row.filled_quantity = max(row.filled_quantity, reported.filled_quantity)
            record_fills(row, fills, is_first=was_unfilled)
        for leg, said in take_legs(row, reported.legs, is_first=is_first):
            _record_leg(leg, said)
    if moved and reported.status == BrokerOrderStatus.REJECTED:  # taken first, then rejected
        error = RejectedError("broker", "order", reported.status_detail, status_code=200)
        log_order_failure("order_rejected", order=row, error=error, operation="order", is_final=True)
    if (saga := Order.saga.related.get_cached_value(order, default=MISSING)) is not MISSING:
        Order.saga.related.set_cached_value(row, saga)
    return row


def record_accepted(order: Order, reported: BrokerOrder, beside: Beside) -> Order | None:
    """Record the answer to an order's first request in one statement, where it says what it nearly always does.

    The row moves only where it still is as it was claimed; else somebody has recorded it first, or another thing.

    Args:
        beside: what is said with it in one message. Where statements come after it, the last of them finds something
            only if the row was acknowledged just now (``ACKNOWLEDGED_NOW``).

    Returns:
        The row as it stands; None where it was not recorded, and is to be by ``record_reported``.
    """
    is_plain = reported.status == BrokerOrderStatus.ACCEPTED and reported.filled_quantity == 0
    if not is_plain or order.status != OrderStatus.SUBMITTING or order.acknowledged_at is not None:
        return None
    row = copy(order)
    legs = rows_of_resting(row, reported.legs)
    if legs is None:
        return None
    beside.rows = legs
    try:
        changes = _acknowledgement(row, reported)
        moved = _apply(row, EVENT_OF[reported.status], changes, reported, is_within=False, beside=beside)
    except IntegrityError as error:  # somebody has met a leg first, or written of the order
        log.debug("accepted_again", order_id=str(order.pk), error=str(error).strip())
        return None
    return row if moved else None


def record_first_fill(
    order: Order, reported: BrokerOrder, fill: BrokerFill, beside: Beside | None = None
) -> Order | None:
    """Record the execution by which an order that rests begins to fill, in one statement with the order's move.

    Args:
        order: as it was just read, and without a lock: it moves only where it still is so.
        beside: what is said with it in one message; its ``once_committed`` where the order ends by it, and finds then
            the order's ``ended_sequence`` first.

    Returns:
        The row as it stands; None where it was not recorded, and is to be by ``record_reported``.
    """
    rests = order.status == OrderStatus.ACCEPTED and order.filled_quantity == 0
    event = EVENT_OF[reported.status]
    moves = ORDER.get((order.status, event), order.status) != order.status
    adds_up = 0 < fill.quantity <= reported.filled_quantity
    if not (rests and moves and adds_up) or order.acknowledged_at is None or reported.legs:
        return None
    row, beside = copy(order), beside or Beside()
    changes, beside.rows = _acknowledgement(row, reported), [[_fill_of(order, fill)]]
    if ORDER[(order.status, event)] in OPEN_ORDER:
        beside.once_committed = None
    try:
        moved = _apply(row, event, changes, reported, is_within=False, where=_IS_UNFILLED, beside=beside)
    except IntegrityError as error:  # the execution is recorded, or the order was written of
        log.debug("filled_again", order_id=str(order.pk), error=str(error).strip())
        return None
    if moved and not isinstance(row.ended_sequence, int | None) and beside.found is not None:
        row.ended_sequence = beside.found[0]
    return row if moved else None


def _record_leg(leg: Order, said: BrokerOrder) -> None:
    if said.filled_quantity <= leg.filled_quantity and not says_nothing_new(leg, said):
        record_reported(leg, said, [])


def says_nothing_new(order: Order, reported: BrokerOrder) -> bool:
    """Tell whether an order that we know to rest at the broker is said to rest there, and no more."""
    rests = order.status == OrderStatus.ACCEPTED and reported.status == BrokerOrderStatus.ACCEPTED
    return rests and order.acknowledged_at is not None


def without_executions(orders: Collection[Order]) -> list[Order]:
    """Return those of the orders of which more has filled than their recorded executions add up to."""
    filled = [order for order in orders if order.filled_quantity > 0]
    if not filled:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_EXECUTED, [[order.pk for order in filled]])
        recorded = dict(cursor.fetchall())
    return [order for order in filled if recorded.get(order.pk, Decimal(0)) < order.filled_quantity]


def record_missing(orders: Collection[Order], *, broker: Broker, since: datetime) -> None:
    """Ask for the executions of orders that the broker has told of only in part, one request for all; record them.

    Args:
        since: the broker's time before which none of them was submitted.

    Raises:
        ConnectorError: the broker did not answer; nothing was recorded.
    """
    fills = broker.fills(after=since)
    for order in orders:
        theirs = [fill for fill in fills if fill.broker_order_id == order.broker_order_id]
        try:
            with transaction.atomic():
                record_fills(locked_order(order.pk), theirs)
        except (IntegrityError, DataError) as error:
            log.warning("fills_not_stored", order_id=str(order.pk), error=str(error).strip())


def record_fills(order: Order, fills: Sequence[BrokerFill], *, is_first: bool = False) -> int:
    """Insert the executions that are not recorded yet; return how many there were.

    Never more than the order has filled: should two of the broker's ways to tell give one execution two ids, it is
    one all the same.

    Args:
        is_first: nothing had filled under the lock that is held, so that no execution is recorded.
    """
    if not fills:
        return 0
    known: list[tuple[str, Decimal, Decimal]] = []
    if not is_first:
        with connection.cursor() as cursor:
            cursor.execute(_EXECUTIONS, [order.pk])
            known = cursor.fetchall()
    left = order.filled_quantity - sum(quantity for _, quantity, _ in known)
    ids = {execution_id for execution_id, _, _ in known}
    fresh = [fill for fill in fills if fill.execution_id not in ids]
    if sum(fill.quantity for fill in fresh) > left:
        fresh = _without_alike(fresh, [(quantity, price) for _, quantity, price in known], left)
    rows = [_fill_of(order, fill) for fill in fresh]
    insert_rows(rows, ignore_conflicts=True)
    return len(rows)


def _fill_of(order: Order, fill: BrokerFill) -> Fill:
    return new(
        Fill,
        execution_id=fill.execution_id,
        order_id=order.pk,
        cycle_id=order.cycle_id,
        symbol=order.symbol,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        executed_at=fill.executed_at,
    )


def _without_alike(
    fresh: Sequence[BrokerFill], known: list[tuple[Decimal, Decimal]], left: Decimal
) -> list[BrokerFill]:
    """Leave out executions that are recorded under another id, and what would be more than has filled."""
    kept = []
    for fill in fresh:
        if (fill.quantity, fill.price) in known:
            known.remove((fill.quantity, fill.price))
        elif fill.quantity <= left:
            kept.append(fill)
            left -= fill.quantity
    log.warning("executions_do_not_add_up", left_out=[f.execution_id for f in fresh if f not in kept])
    return kept


def _executions(order: Order, reported: BrokerOrder) -> list[BrokerFill]:
    since = reported.submitted_at - timedelta(seconds=1)
    fills = current_providers().broker.fills(after=since)
    return [fill for fill in fills if fill.broker_order_id == reported.broker_order_id]


def _acknowledgement(row: Order, reported: BrokerOrder) -> dict[str, Any]:
    return {
        "broker_order_id": reported.broker_order_id,
        "acknowledged_at": row.acknowledged_at or timezone.now(),
        "lease_until": None,
    }


def _apply(
    row: Order,
    event: str,
    changes: dict[str, Any],
    reported: BrokerOrder,
    *,
    is_within: bool = True,
    where: CompiledCondition | None = None,
    beside: Beside | None = None,
) -> bool:
    """Move the row, and have it say what was written; False where it is not as it was read."""
    drawn: dict[str, Any] = {}
    ends = ORDER[(row.status, event)] not in OPEN_ORDER
    changes["ended_at"] = timezone.now() if ends else None
    changes["ended_sequence"] = _NEXT_IN_ORDER if ends else None
    if reported.status == BrokerOrderStatus.REJECTED:
        changes["broker_message"] = reported.status_detail
    changes |= {"filled_quantity": reported.filled_quantity, "average_price": reported.average_price}
    target = ORDER[(row.status, event)]
    moved = transitions.apply(
        row,
        event,
        changes=changes,
        where=where,
        is_within=is_within,
        drawn=drawn,
        beside=beside,
        symbol=row.symbol,
        side=row.side,
        filled_quantity=str(reported.filled_quantity),
        average_price=str(reported.average_price) if reported.average_price is not None else None,
    )
    if moved:
        _take_over(row, {**changes, **drawn, "status": target})
    return moved


def _take_over(row: Order, changes: Mapping[str, Any]) -> None:
    """Have the row that is locked say what was just written: nobody else can have."""
    for name, value in changes.items():
        setattr(row, name, value)
