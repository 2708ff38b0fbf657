"""Follow orders that no saga waits for: those that close or flatten, stops and targets, and somebody else's."""

from contextlib import suppress
from uuid import UUID

from django.db import DatabaseError
from django.utils import timezone

from connectors.base import Broker
from connectors.errors import ConnectorError
from risk.services import locks
from trading.core.providers import current_providers
from trading.domain.order_ids import Purpose
from trading.errors import TradingError
from trading.execution.portfolio import sync_portfolio
from trading.execution.portfolio_truth import submitted_after
from trading.execution.trade_booking import book_strangers
from trading.models import Order
from trading.orders.execution_reports import record_broker_order, record_together
from trading.orders.submission import submit_order

RECORD_PATIENCE_SECONDS = 1.0


def record_sales() -> None:
    """Write down how the orders to flatten stand, and what is held then, as far as it can be done now.

    It asks as the switch does, so a used up limit of ours does not delay it: one request for all orders, one for all
    fills, then a sync of one look. Whoever was stopped with the book in hand must not keep us: what cannot be done
    now is done by ``follow_order``.
    """
    with suppress(ConnectorError, TradingError, DatabaseError):
        broker = current_providers().switch_broker
        _record_open_sales(broker)
        with locks.patience(RECORD_PATIENCE_SECONDS):
            sync_portfolio(None, looks=1, broker=broker)
    with suppress(DatabaseError), locks.patience(RECORD_PATIENCE_SECONDS):
        book_strangers()


def _record_open_sales(broker: Broker) -> None:
    selling = {
        order.broker_order_id: order
        for order in Order.objects.open().filter(purpose=Purpose.FLATTEN)
        if order.broker_order_id is not None
    }
    if not selling:
        return
    clock = broker.clock()
    oldest = min(order.created_at for order in selling.values())
    since = submitted_after(clock.now, float(clock.rate), oldest, timezone.now())
    record_together(selling, broker=broker, since=since)


def follow_order(order_id: UUID) -> Order:
    """Bring an order without a saga to what the broker says; return it as it stands.

    When it ends the positions are synced: no cycle may come by while the switch is engaged.

    Raises:
        ConnectorError: the broker did not answer; it is followed again later.
    """
    order = Order.objects.get(pk=order_id)
    if order.broker_order_id is not None:
        reported = current_providers().broker.order(order.broker_order_id)
        order = record_broker_order(order, reported) if reported else order
    elif order.purpose in (Purpose.FLATTEN, Purpose.EXIT):
        order = submit_order(order.pk)
    book_strangers()  # before the sync, which the broker may refuse
    if not order.is_open:
        sync_portfolio(order.cycle_id)
    return order
