"""Orders, fills and positions held against the broker's; differences are healed toward the broker."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from connectors.base import BrokerOrder
from trading.domain.order_ids import Purpose
from trading.domain.statuses import OPEN_ORDER
from trading.models import Order, Position
from trading.services import transitions
from trading.services.order_truth import record_broker_order, record_fills
from trading.services.portfolio import sync_portfolio
from trading.services.providers import current_providers

LOOK_BACK = timedelta(days=3)


@dataclass(slots=True)
class ReconciliationReport:
    """What differed, in words; empty lists mean agreement."""

    orders_checked: int = 0
    adopted: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)


def reconcile() -> ReconciliationReport:
    """Compare with the broker and heal; return what differed.

    Raises:
        ConnectorError: the broker did not answer; what was healed so far stays.
    """
    report = ReconciliationReport()
    broker = current_providers().broker
    since = broker.clock().now - LOOK_BACK
    told = {order.client_order_id: order for order in broker.orders(open_only=False, after=since)}
    known = {order.client_order_id: order for order in Order.objects.filter(client_order_id__in=told)}
    for client_order_id, order in told.items():
        report.orders_checked += 1
        ours = known.get(client_order_id)
        if ours is None:
            ours = _adopt(order)
            report.adopted.append(client_order_id)
        _heal(ours, order, report)
    _heal_fills(report)
    before = dict(Position.objects.values_list("symbol", "quantity"))
    sync_portfolio(None)
    after = dict(Position.objects.values_list("symbol", "quantity"))
    for symbol in sorted(before.keys() | after.keys()):
        if before.get(symbol) != after.get(symbol):
            report.positions.append(f"{symbol}: {before.get(symbol, 0)} -> {after.get(symbol, 0)}")
    return report


def _adopt(told: BrokerOrder) -> Order:
    """Take an order we did not place into the book, as external."""
    with transaction.atomic():
        order = Order.objects.create(
            client_order_id=told.client_order_id,
            broker_order_id=told.broker_order_id,
            symbol=told.symbol,
            side=told.side,
            purpose=Purpose.EXTERNAL,
            quantity=told.quantity,
            time_in_force="",
            status="unknown",
        )
        transitions.record_created(order, symbol=told.symbol, side=told.side, external=True)
    return order


def _heal(ours: Order, told: BrokerOrder, report: ReconciliationReport) -> None:
    leased = ours.lease_until is not None and ours.lease_until > timezone.now()
    if leased or (ours.status not in OPEN_ORDER and ours.filled_quantity == told.filled_quantity):
        return
    before = ours.status
    after = record_broker_order(ours, told)
    if after.status != before:
        report.healed.append(f"{told.client_order_id}: {before} -> {after.status}")


def _heal_fills(report: ReconciliationReport) -> None:
    """Add executions that are missing from orders whose fills do not add up."""
    recorded = Coalesce(Sum("fills__quantity"), 0, output_field=Order._meta.get_field("filled_quantity"))
    short = Order.objects.annotate(recorded=recorded).filter(filled_quantity__gt=F("recorded"))
    broker = current_providers().broker
    for order in short:
        if order.broker_order_id and (told := broker.order(order.broker_order_id)):
            fills = broker.fills(after=told.submitted_at - timedelta(seconds=1))
            record_fills(order, [fill for fill in fills if fill.broker_order_id == told.broker_order_id])
            report.healed.append(f"{order.client_order_id}: fills added")
