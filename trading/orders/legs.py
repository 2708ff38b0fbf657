"""The legs of a bracket, and of two orders that cancel each other: each is a row of its own beside its parent.

The broker makes them and gives them their names, so they are taken into the book as it tells of them. A leg is no
order of somebody else's, whoever heard of it first.
"""

from collections.abc import Sequence
from copy import copy
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from connectors.base import BrokerOrder, BrokerOrderStatus, OrderType
from trading.core import transitions
from trading.core.statements.new_rows import new
from trading.core.statements.written_rows import insert_rows
from trading.core.waits import is_over
from trading.domain.order_ids import Purpose
from trading.domain.statuses import OrderStatus
from trading.models import Event, Order

LOOK_BACK = timedelta(days=3)
ASK_AGAIN_AFTER = timedelta(seconds=30)


def rows_of_resting(parent: Order, legs: Sequence[BrokerOrder]) -> list[Sequence[Model]] | None:
    """Return the rows, and their events, of the legs that came with the answer to the parent's first request.

    They are to be inserted in this order with what records the parent. None: one does not just rest, or is no such leg.
    """
    if not _all_rest(legs):
        return None
    told = _resting(parent, legs)
    if not told:
        return []
    events = [event for row, leg in told for event in _first_events(parent, row, leg)]
    return [[row for row, _ in told], events]


def take_legs(
    parent: Order, legs: Sequence[BrokerOrder], *, is_first: bool = False
) -> list[tuple[Order, BrokerOrder]]:
    """Take legs into the book; return each row with what the broker said of it, which the caller records.

    Call in the transaction that records the parent. One that reconciliation has met before as a stranger's becomes
    what it is.

    Args:
        is_first: it is the first word on the parent, so that its legs are hardly known.
    """
    if not legs:
        return []
    ids = [leg.broker_order_id for leg in legs]
    if is_first and (fresh := _take_resting(parent, legs)):
        return fresh
    known = {order.broker_order_id: order for order in Order.objects.filter(broker_order_id__in=ids)}
    if not known and (fresh := _take_resting(parent, legs)):
        return fresh
    rows = [(_row_of(parent, leg, known.get(leg.broker_order_id)), leg) for leg in legs]
    return [(row, leg) for row, leg in rows if row is not None]


def _take_resting(parent: Order, legs: Sequence[BrokerOrder]) -> list[tuple[Order, BrokerOrder]]:
    """Store legs of which nothing is known yet and which just rest, as nearly all do, with all that is said of them.

    The same rows and events as one by one, in two statements. Nothing is written, and nothing returned, where one is no
    such leg, or where somebody has met one first.
    """
    if not _all_rest(legs):
        return []
    told = _resting(parent, legs)
    rows = [row for row, _ in told]
    if insert_rows(rows, ignore_conflicts=True) < len(rows):
        Order.objects.filter(pk__in=[row.pk for row in rows]).delete()
        return []
    insert_rows([event for row, leg in told for event in _first_events(parent, row, leg)])
    return told


def _resting(parent: Order, legs: Sequence[BrokerOrder]) -> list[tuple[Order, BrokerOrder]]:
    """Return the row of each leg, not stored, as it rests."""
    now = timezone.now()
    rows = [
        new(
            Order,
            broker_order_id=leg.broker_order_id,
            status=OrderStatus.ACCEPTED,
            acknowledged_at=now,
            **_columns_of_new(parent, leg),
        )
        for leg in legs
    ]
    return list(zip(rows, legs, strict=True))


def _all_rest(legs: Sequence[BrokerOrder]) -> bool:
    return not any(leg.quantity is None or _is_moved(leg) for leg in legs)


def _is_moved(leg: BrokerOrder) -> bool:
    return leg.status != BrokerOrderStatus.ACCEPTED or leg.filled_quantity > 0


def _first_events(parent: Order, row: Order, leg: BrokerOrder) -> list[Event]:
    facts = {"symbol": row.symbol, "side": row.side, "filled_quantity": str(leg.filled_quantity)}
    unknown = copy(row)
    unknown.status = OrderStatus.UNKNOWN
    created = transitions.first_event(unknown, **_facts_of_new(parent, row))
    return [created, transitions.second_event(unknown, "accept", after=created, average_price=None, **facts)]


def parents_without_legs() -> QuerySet[Order]:
    """Return what ``claim_parents_without_legs`` claims now, for who asks with more whether there is any."""
    now = timezone.now()
    return Order.objects.exclude(order_class="").filter(
        Q(next_try_at__isnull=True) | is_over("next_try_at", now, ASK_AGAIN_AFTER),
        created_at__gt=now - LOOK_BACK,
        acknowledged_at__isnull=False,
        legs__isnull=True,
    )


def claim_parents_without_legs() -> list[Order]:
    """Return the orders that brought legs of which nothing is known: the reply that named them was lost.

    Each is returned once in a while, for which its ``next_try_at`` is set anew: a broker that knows of no legs is not
    asked each second.
    """
    now = timezone.now()
    found = list(parents_without_legs().order_by("created_at"))
    Order.objects.filter(pk__in=[order.pk for order in found]).update(next_try_at=now + ASK_AGAIN_AFTER)
    return found


def purpose_of(leg: BrokerOrder) -> Purpose:
    """Return what a leg is for: what has a stop limits a loss, a mere limit takes a profit."""
    return Purpose.TAKE_PROFIT if leg.order_type == OrderType.LIMIT else Purpose.STOP_LOSS


def _row_of(parent: Order, leg: BrokerOrder, known: Order | None) -> Order | None:
    """Return the leg's row, which says what it is; None where it can have none: it is no order by quantity."""
    if known is None:
        if leg.quantity is None:
            return None
        known = _new_leg(parent, leg)  # or a stranger's, met since it was looked for
    if known.purpose == Purpose.EXTERNAL:
        Order.objects.filter(pk=known.pk, purpose=Purpose.EXTERNAL).update(**_leg_columns(parent, leg))
        known.refresh_from_db()
    return known if known.pk != parent.pk else None


def _new_leg(parent: Order, leg: BrokerOrder) -> Order:
    """Return the row of a leg that is new; at once as it stands, so that nothing sees it as unsent."""
    with transaction.atomic():
        order, is_new = Order.objects.get_or_create(
            broker_order_id=leg.broker_order_id,
            defaults={"status": OrderStatus.UNKNOWN, **_columns_of_new(parent, leg)},
        )
        if is_new:
            transitions.record_created(order, **_facts_of_new(parent, order))
    return order


def _columns_of_new(parent: Order, leg: BrokerOrder) -> dict[str, Any]:
    return {
        "client_order_id": leg.client_order_id,
        "symbol": leg.symbol,
        "side": leg.side,
        "quantity": leg.quantity,
        "time_in_force": parent.time_in_force,
        **_leg_columns(parent, leg),
    }


def _facts_of_new(parent: Order, row: Order) -> dict[str, str]:
    price = row.limit_price if row.purpose == Purpose.TAKE_PROFIT else row.stop_price
    return {"quantity": str(row.quantity), "price": str(price), "parent": str(parent.pk)}


def _leg_columns(parent: Order, leg: BrokerOrder) -> dict[str, Any]:
    return {
        "purpose": purpose_of(leg),
        "parent_order_id": parent.pk,
        "order_type": leg.order_type[:12],
        "limit_price": leg.limit_price,
        "stop_price": leg.stop_price,
    }
