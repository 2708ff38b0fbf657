"""Orders without a saga, a flatten or somebody else's: nobody waits for them, so they are followed here."""

from contextlib import suppress
from uuid import UUID

from django.db import DatabaseError

from connectors.errors import ConnectorError
from risk.services import locks
from trading.domain.order_ids import Purpose
from trading.errors import TradingError
from trading.models import Order
from trading.services.order_truth import record_broker_order
from trading.services.portfolio import sync_portfolio
from trading.services.providers import current_providers
from trading.services.submission import submit_order

RECORD_PATIENCE_SECONDS = 1.0


def record_sales() -> None:
    """Write down how the orders to flatten stand, and what is held then, as far as it can be done now.

    Whoever was stopped with the book in hand must not keep us: what cannot be done now is done by ``follow_order``.
    """
    with suppress(ConnectorError, TradingError, DatabaseError):
        broker = current_providers().switch_broker
        for order in Order.objects.open().filter(purpose=Purpose.FLATTEN, broker_order_id__isnull=False):
            told = broker.order(order.broker_order_id or "")
            if told is not None:
                record_broker_order(order, told)
        with locks.patience(RECORD_PATIENCE_SECONDS):
            sync_portfolio(None)


def follow_order(order_id: UUID) -> Order:
    """Bring an order without a saga to what the broker says; return it as it stands.

    When it ends the positions are synced: no cycle may come by while the switch is engaged.

    Raises:
        ConnectorError: the broker did not answer; it is followed again later.
    """
    order = Order.objects.get(pk=order_id)
    if order.broker_order_id is not None:
        told = current_providers().broker.order(order.broker_order_id)
        order = record_broker_order(order, told) if told else order
    elif order.purpose == Purpose.FLATTEN:
        order = submit_order(order.pk)
    if not order.is_open:
        sync_portfolio(order.cycle_id)
    return order
