"""What rests at the broker to protect a position holds what it would sell: who sells otherwise takes it away first.

It may sell just then: that is found out here, for an order is only left behind once the broker has said how it ended.
"""

import time
from collections.abc import Collection

from connectors.base import Broker
from connectors.errors import RejectedError, UnavailableError
from trading.core.failures import log_order_failure
from trading.models import Order
from trading.orders.execution_reports import record_broker_order

WITHIN_SECONDS = 4.0
PAUSE_SECONDS = 0.1
SIBLING_PATIENCE_SECONDS = 1.0  # one of two that cancel each other takes the other along


def take_away(
    symbols: Collection[str], *, broker: Broker, within_seconds: float = WITHIN_SECONDS
) -> list[Order]:
    """Cancel the stops and targets of these symbols that the broker has; return those it still has in the end.

    Raises:
        ConnectorError: the broker does not say how they stand; some may be cancelled.
    """
    resting = {
        order.pk: order
        for order in Order.objects.protecting().filter(symbol__in=symbols, broker_order_id__isnull=False)
    }
    if not resting:
        return []
    began = time.monotonic()
    groups = {_group(order): order for order in resting.values()}
    for order in groups.values():
        _cancel(broker, order)
    asked = {order.pk for order in groups.values()}
    while True:
        for order in list(resting.values()):
            if not _look(broker, order).is_open:
                del resting[order.pk]
        passed = time.monotonic() - began
        if not resting or passed > within_seconds:
            return list(resting.values())
        if passed > SIBLING_PATIENCE_SECONDS:
            for order in [order for order in resting.values() if order.pk not in asked]:
                asked.add(order.pk)
                _cancel(broker, order)
        time.sleep(PAUSE_SECONDS)


def may_hold(symbol: str) -> bool:
    """Return whether something protects the symbol, or is on its way to.

    One whose request leaves while a sale takes away what rests holds what is to be sold, and is met once answered.
    """
    return Order.objects.protecting().filter(symbol=symbol).exists()


def _group(order: Order) -> object:
    """Return what orders have in common that cancel each other."""
    return order.parent_order_id or order.pk


def _cancel(broker: Broker, order: Order) -> None:
    assert order.broker_order_id is not None  # noqa: S101 - filtered by the caller
    try:
        broker.cancel_order(order.broker_order_id)
    except RejectedError as error:  # it has ended, or sells at this moment: the look says which
        log_order_failure("cancel_came_late", order=order, error=error, operation="cancel_order")


def _look(broker: Broker, order: Order) -> Order:
    """Record how one stands; what its reply tells of others is recorded with it."""
    assert order.broker_order_id is not None  # noqa: S101 - filtered by the caller
    order.refresh_from_db()
    if not order.is_open:
        return order
    reported = broker.order(order.broker_order_id)
    if reported is None:
        raise UnavailableError(broker.name, "order", f"{order.broker_order_id} is not known there")
    return record_broker_order(order, reported)
