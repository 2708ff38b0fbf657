"""What follows from a message that an order of ours has moved.

The broker's own stream is believed: its word is recorded, and what follows from it is done. A message from elsewhere is
a hint: it makes us ask the broker, and is not believed itself.
"""

from connectors.base import TradeUpdate
from trading.core.work import Work, WorkKind
from trading.domain.statuses import OPEN_SAGA, SagaStatus
from trading.execution import saga_steps, settlement
from trading.models import Order, Saga
from trading.orders.broker_stream import record_update


def work_on(client_order_id: str) -> list[Work]:
    """Return the work by which the broker is asked about an order; nothing where it is not ours."""
    open_sagas = Saga.objects.open().filter(order__client_order_id=client_order_id)
    works = [Work(WorkKind.ADVANCE, pk) for pk in open_sagas.values_list("pk", flat=True)]
    ended = Order.objects.filter(client_order_id=client_order_id, saga__isnull=False)
    ended = ended.exclude(saga__status__in=OPEN_SAGA)
    works += [Work(WorkKind.SETTLE, pk) for pk in ended.values_list("pk", flat=True)]
    alone = Order.objects.open().filter(client_order_id=client_order_id, saga__isnull=True)
    works += [Work(WorkKind.FOLLOW, pk) for pk in alone.values_list("pk", flat=True)]
    return works


def take_update(update: TradeUpdate) -> list[Work]:
    """Record what the broker said on its stream; return the work that follows from it now.

    Nothing follows while the order only goes on, or while others are about to end with which it will be settled. What
    a stop or a target has sold is booked; any other order without a saga is the sweeper's to follow.
    """
    order = record_update(update)
    if order is None:
        return []
    saga = getattr(order, "saga", None)
    if saga is None:
        return [Work(WorkKind.FOLLOW, order.pk)] if order.filled_quantity > 0 else []
    if saga.status not in OPEN_SAGA:
        is_due = order.is_open or _has_more(order, saga)
        return [Work(WorkKind.SETTLE, order.pk)] if is_due else []
    if order.is_open:
        is_due = saga.status != SagaStatus.RUNNING or _has_more(order, saga)
        return [Work(WorkKind.ADVANCE, saga.pk)] if is_due else []
    if order.filled_quantity > 0 and settlement.leave_to_the_last(saga, order):
        return []
    return [Work(WorkKind.ADVANCE, saga.pk)]


def _has_more(order: Order, saga: Saga) -> bool:
    return order.filled_quantity > 0 and order.filled_quantity > saga_steps.booked_quantity(saga)
