"""The one function that sends an order: every path goes through it."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

from connectors.base import (
    AssetClass,
    Broker,
    BrokerOrder,
    OrderClass,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
)
from connectors.errors import RejectedError, UnavailableError
from risk.services import locks
from trading.core.providers import current_providers
from trading.core.trace_spans import span
from trading.domain.order_ids import Purpose
from trading.domain.symbols import is_coin
from trading.models import Order
from trading.orders.attempts import Attempt

T = TypeVar("T")


def post_order(attempt: Attempt, sends: locks.Held | None = None) -> BrokerOrder:
    """Post the order: the only function that sends one, every path goes through it.

    Holds the switch's shared lock around the request, so that whoever engages sees that one is on its way, and
    proves right before the first byte that this attempt may send.

    Args:
        sends: that lock, where the caller holds it; he gives it back before he waits for anything.

    Raises:
        SwitchEngagedError: the switch is engaged; nothing was sent.
        SwitchReleasedError: it was to flatten, and the switch is released; nothing was sent.
        StaleAttemptError: the attempt is not the one any more; nothing was sent.
        ConnectorError: as the broker's ``submit_order``.
    """
    order = attempt.order
    if order.quantity is None:
        raise ValueError(f"order {order.pk} has no quantity: an external order is never posted")
    request = OrderRequest(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        asset_class=AssetClass.CRYPTO if is_coin(order.symbol) else AssetClass.STOCK,
        side=Side(order.side),
        quantity=order.quantity,
        time_in_force=TimeInForce(order.time_in_force),
        order_type=OrderType(order.order_type),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        order_class=OrderClass(order.order_class),
        take_profit=order.take_profit_price if order.order_class else None,
        stop_loss=order.stop_loss_price if order.order_class else None,
    )
    broker = broker_for(order)
    is_seen = nullcontext() if sends else locks.switch_shared()
    with span("submit", symbol=order.symbol, client_order_id=order.client_order_id), is_seen:
        return broker.submit_order(request, permit=attempt.prove)


def broker_for(order: Order) -> Broker:
    """Return the way to the broker; what the switch sells is held back by no limit of ours."""
    providers = current_providers()
    return providers.switch_broker if order.purpose == Purpose.FLATTEN else providers.broker


def read_broker(call: Callable[[], T]) -> T:
    """Read from the broker; a refused read says as little about the order as one without an answer."""
    try:
        return call()
    except RejectedError as error:
        raise UnavailableError(error.provider, error.operation, error.detail) from error
