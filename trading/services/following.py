"""Orders without a saga, a flatten or somebody else's: nobody waits for them, so they are followed here."""

from uuid import UUID

from trading.domain.order_ids import Purpose
from trading.models import Order
from trading.services.order_truth import record_broker_order
from trading.services.portfolio import sync_portfolio
from trading.services.providers import current_providers
from trading.services.submission import submit_order


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
