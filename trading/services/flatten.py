"""Flatten: sell every long position while the switch is engaged; reducing orders only."""

import time
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import uuid5

from django.db import transaction

from connectors.base import BrokerPosition
from connectors.errors import ConnectorError
from risk.models import KillSwitch
from trading.domain.order_ids import Purpose, client_order_id
from trading.domain.symbols import is_coin
from trading.errors import NotConfiguredError, TradingError
from trading.models import Order
from trading.services import transitions
from trading.services.kill_switch import CONFIRM_PAUSE_SECONDS, CONFIRM_SECONDS
from trading.services.order_truth import record_broker_order
from trading.services.portfolio import sync_portfolio
from trading.services.providers import current_providers
from trading.services.submission import submit_order


@dataclass(slots=True)
class FlattenReport:
    """Symbols ordered to be sold, what a person has to look at, and what was held when we stopped waiting."""

    ordered: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remaining: dict[str, Decimal] = field(default_factory=dict)


def flatten_positions(engagement: KillSwitch) -> FlattenReport:
    """Order the sale of what is available of each long position, and wait a little for the broker's word.

    Repeating it sells only what is left: an order that is still open is not repeated.
    """
    report = FlattenReport()
    try:
        positions = current_providers().broker.positions()
    except (ConnectorError, NotConfiguredError) as error:
        report.problems.append(f"positions could not be read: {error}")
        return report
    for position in positions:
        if position.quantity_available <= 0:
            report.problems.append(f"{position.symbol}: nothing available to sell")
            continue
        order = submit_order(_order_for(engagement, position).pk)
        if order.acknowledged_at is None:
            report.problems.append(f"{position.symbol}: {order.broker_message or order.status}")
        else:
            report.ordered.append(position.symbol)
    try:
        report.remaining = _await_sales(report.ordered)
    except (ConnectorError, TradingError) as error:
        report.problems.append(f"the broker has not confirmed the sales: {error}")
    return report


def _await_sales(ordered: list[str]) -> dict[str, Decimal]:
    """Wait until what was ordered is sold, or time is up; record the truth and return what is still held."""
    broker = current_providers().broker
    give_up_at = time.monotonic() + CONFIRM_SECONDS
    while any(position.symbol in ordered for position in broker.positions()):
        if time.monotonic() > give_up_at:
            break
        time.sleep(CONFIRM_PAUSE_SECONDS)
    for order in Order.objects.open().filter(purpose=Purpose.FLATTEN, broker_order_id__isnull=False):
        told = broker.order(order.broker_order_id or "")
        if told is not None:
            record_broker_order(order, told)
    held = sync_portfolio(None).positions
    return {position.symbol: position.quantity for position in held}


def _order_for(engagement: KillSwitch, position: BrokerPosition) -> Order:
    base = uuid5(engagement.pk, position.symbol)
    mine = Order.objects.filter(purpose=Purpose.FLATTEN, symbol=position.symbol)
    pending = mine.open().first()
    if pending is not None:
        return pending
    number = mine.filter(client_order_id__startswith=str(base)).count()
    with transaction.atomic():
        order = Order.objects.create(
            client_order_id=client_order_id(base, Purpose.FLATTEN, number),
            symbol=position.symbol,
            side="sell",
            purpose=Purpose.FLATTEN,
            quantity=position.quantity_available,
            reference_price=position.current_price,
            time_in_force="gtc" if is_coin(position.symbol) else "day",
        )
        transitions.record_created(order, symbol=order.symbol, side="sell", quantity=str(order.quantity))
    return order
