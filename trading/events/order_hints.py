"""What follows from a message that an order of ours has moved.

The broker's own stream is believed: its word is recorded, and what follows from it is done. A message from elsewhere is
a hint: it makes us ask the broker, and is not believed itself.
"""

import time
from functools import partial

from django.db import connection

from connectors.base import TradeUpdate
from trading.core.statements.moved_rows import Beside
from trading.core.work import Work, WorkKind
from trading.domain.statuses import OPEN_SAGA, SagaStatus
from trading.execution import saga_steps, settlement
from trading.models import Order, Saga
from trading.orders.broker_stream import record_update, says_only_that_it_rests, unheard_of

KEPT_SECONDS = 0.5


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
    said = Beside()
    order = record_update(update, partial(_beside, said))
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
    if said.once_committed is not None and said.found is not None:
        is_left = bool(said.found[1])
    else:
        is_left = order.filled_quantity > 0 and settlement.leave_to_the_last(saga, order)
    return [] if is_left else [Work(WorkKind.ADVANCE, saga.pk)]


def _beside(said: Beside, order: Order) -> Beside:
    """Have a fill that ends an order left to the last, in the message that records it."""
    saga = getattr(order, "saga", None)
    if saga is not None and saga.status in OPEN_SAGA and not connection.in_atomic_block:
        said.once_committed = settlement.leaving_to_the_last(saga, order)
    return said


class Rests:
    """Updates that say no more than that an order rests: kept for a moment, and looked at together.

    The broker's answer to the request has nearly always said it before: one query finds the few of which it has not, a
    lost answer's. Not safe for several threads.
    """

    def __init__(self) -> None:
        self._kept: list[TradeUpdate] = []
        self._since = 0.0

    def keep(self, update: TradeUpdate) -> bool:
        """Keep an update for later, where it says no more than that; return whether it was kept."""
        if not says_only_that_it_rests(update):
            return False
        if not self._kept:
            self._since = time.monotonic()
        self._kept.append(update)
        return True

    def due(self) -> list[TradeUpdate]:
        """Return those of the kept that are to be taken now, each as any other; nothing before the moment is over.

        Raises:
            DatabaseError, InterfaceError: the database is away; they are lost, as any other update is then.
        """
        if not self._kept or time.monotonic() - self._since < KEPT_SECONDS:
            return []
        kept, self._kept = self._kept, []
        return unheard_of(kept)


def _has_more(order: Order, saga: Saga) -> bool:
    return order.filled_quantity > 0 and order.filled_quantity > saga_steps.booked_quantity(saga)
