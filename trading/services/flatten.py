"""Flatten: sell every long position while the switch is engaged; reducing orders only."""

from dataclasses import dataclass, field
from uuid import uuid5

from django.db import transaction

from connectors.base import BrokerPosition
from connectors.errors import ConnectorError
from risk.models import KillSwitch
from trading.domain.order_ids import Purpose, client_order_id
from trading.domain.symbols import is_coin
from trading.errors import NotConfiguredError
from trading.models import Order
from trading.services import transitions
from trading.services.providers import current_providers
from trading.services.submission import submit_order


@dataclass(slots=True)
class FlattenReport:
    """Symbols ordered to be sold, and what a person has to look at."""

    ordered: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def flatten_positions(engagement: KillSwitch) -> FlattenReport:
    """Order the sale of what is available of each long position.

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
    return report


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
