"""Orders, fills and positions held against the broker's; differences are healed toward the broker."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import structlog
from django.db import DataError, IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from connectors.base import BrokerFill, BrokerOrder
from connectors.errors import MalformedError
from connectors.rows import UnreadableRow, unreadable_of
from risk.domain.numbers import plain_decimal
from trading.core import set_aside, transitions
from trading.core.process_lock import marked, only_one
from trading.core.providers import current_providers
from trading.core.row_locks import locked_agent
from trading.core.set_aside import Listing
from trading.domain.ages import in_force
from trading.domain.order_ids import Purpose
from trading.domain.statuses import OPEN_ORDER, OrderStatus, SagaStatus
from trading.execution.portfolio import sync_portfolio
from trading.execution.sagas import settle_order
from trading.execution.trade_booking import book_strangers, date_trade
from trading.models import Order, Position, Saga
from trading.orders.execution_reports import learn_of_legs, record_broker_order, record_fills, record_reported
from trading.orders.pacing import longest_lease
from trading.performance.comparison import compare_books

log = structlog.get_logger(__name__)
LOOK_BACK = timedelta(days=3)
UNDER_WAY = "reconciliation"
FILL_MARGIN = timedelta(seconds=1)  # "after" is exclusive, and stamps are rounded


@dataclass(slots=True)
class ReconciliationReport:
    """What differed, in words; empty lists mean agreement. What is ``refused`` a person has to look at.

    ``unreadable``: rows of orders, fills and positions that could not be understood; nothing is concluded from them.
    """

    orders_checked: int = 0
    adopted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    healed: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    booked: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def reconcile() -> ReconciliationReport:
    """Compare with the broker and heal; return what differed. Two at once heal the same, and are no harm.

    Raises:
        ConnectorError: the broker did not answer; what was healed so far stays.
    """
    with marked(UNDER_WAY):
        return _reconciled()


def reconcile_for(actor: str) -> ReconciliationReport | None:
    """Do the same for a person, who is written down; None where one is under way, whoever began it.

    Raises:
        ConnectorError: the broker did not answer; what was healed so far stays.
    """
    with only_one(UNDER_WAY) as is_one:
        if not is_one:
            return None
        with transaction.atomic():
            locked_agent()
            transitions.append_event(
                aggregate_type="reconciliation",
                aggregate_id="by hand",
                event_type="reconciliation.asked_for",
                payload={"actor": actor},
                cycle_id=None,
            )
        return _reconciled()


def _reconciled() -> ReconciliationReport:
    report = ReconciliationReport()
    broker = current_providers().broker
    since = broker.clock().now - LOOK_BACK
    listed = broker.orders(open_only=False, after=since)
    _leave_out(Listing.ORDERS, unreadable_of(listed), report)
    reported = {order.client_order_id: order for order in listed}
    known = {order.client_order_id: order for order in Order.objects.filter(client_order_id__in=reported)}
    report.orders_checked = len(reported)
    if len(known) < len(reported) and learn_of_legs(broker):
        known = {order.client_order_id: order for order in Order.objects.filter(client_order_id__in=reported)}
    _adopt_all([order for order in reported.values() if order.client_order_id not in known], report)
    for client_order_id, ours in known.items():
        with _one_order(ours, report):
            _heal(ours, reported[client_order_id], report)
    _heal_missing(set(reported), report)
    _heal_fills(report)
    _settle_failed(report)  # before the sync, which lets go of what has ended without saying why
    _heal_positions(report)
    _book(report)
    compare_books()
    return report


def _heal_positions(report: ReconciliationReport) -> None:
    before = dict(Position.objects.values_list("symbol", "quantity"))
    truth = sync_portfolio(None)
    report.unreadable += [f"{Listing.POSITIONS}: {row}" for row in truth.unreadable]
    after = dict(Position.objects.values_list("symbol", "quantity"))
    under_way = set(Saga.objects.open().values_list("order__symbol", flat=True))
    for symbol in sorted(before.keys() | after.keys()):
        here, there = before.get(symbol, 0), after.get(symbol, 0)
        if here == there:
            continue
        report.positions.append(f"{symbol}: {here} -> {there}")
        if symbol not in under_way:  # a fill that its saga is about to book is no difference
            _record("position", symbol, here=str(here), there=str(there))


def _leave_out(listing: Listing, rows: Sequence[UnreadableRow], report: ReconciliationReport) -> None:
    """Note what a list told in words we cannot read: it is no proof that anything is gone, or ended."""
    set_aside.note(listing, rows, at=timezone.now())
    report.unreadable += [f"{listing}: {row}" for row in rows]


@contextmanager
def _one_order(ours: Order, report: ReconciliationReport) -> Iterator[None]:
    """Keep what cannot be understood of one order, or not be stored, from the others; the order stays as it is."""
    try:
        yield
    except MalformedError as error:
        report.unreadable.append(f"order {ours.client_order_id} ({ours.symbol}): {error.detail}")
    except (IntegrityError, DataError) as error:
        report.refused.append(f"{ours.client_order_id} ({ours.symbol}): {str(error).splitlines()[0]}")


def _heal_missing(reported: set[str], report: ReconciliationReport) -> None:
    """Look orders up that should be open at the broker, but are not among those it listed."""
    broker = current_providers().broker
    for ours in (
        Order.objects.open().filter(broker_order_id__isnull=False).exclude(client_order_id__in=reported)
    ):
        assert ours.broker_order_id is not None  # noqa: S101 - filtered above
        with _one_order(ours, report):
            order = broker.order(ours.broker_order_id)
            if order is not None:
                _heal(ours, order, report)


def _settle_failed(report: ReconciliationReport) -> None:
    """Undo what sagas left behind because their compensation had failed."""
    for order in Order.objects.filter(saga__status=SagaStatus.FAILED, reservation__released_at__isnull=True):
        with _one_order(order, report):
            settle_order(order.pk)
            report.booked.append(order.client_order_id)


def _book(report: ReconciliationReport) -> None:
    """Book late fills, and write the trades of orders that have no saga."""
    undone = Q(saga__status__in=(SagaStatus.COMPENSATED, SagaStatus.FAILED), filled_quantity__gt=0)
    more = Q(
        saga__status=SagaStatus.COMPLETED, filled_quantity__gt=Coalesce(F("trade__quantity"), Decimal(0))
    )
    late = Order.objects.filter(undone | more)
    for order in late:
        with _one_order(order, report):
            settle_order(order.pk)
            report.booked.append(order.client_order_id)
    report.booked += [order.client_order_id for order in book_strangers()]


def _record(kind: str, subject: str, *, here: str, there: str) -> None:
    """Append a difference to the log, once it is healed; the agent's row serialises the sequences."""
    log.warning("reconciliation_difference", kind=kind, subject=subject, here=here, there=there)
    with transaction.atomic():
        locked_agent()
        transitions.append_event(
            aggregate_type="reconciliation",
            aggregate_id=subject[:64],
            event_type="reconciliation.difference",
            payload={"kind": kind, "subject": subject, "here": here, "there": there},
            cycle_id=None,
        )


def _adopt_all(strangers: Sequence[BrokerOrder], report: ReconciliationReport) -> None:
    """Take orders we did not place into the book; their fills are asked for together."""
    filled = [order.submitted_at for order in strangers if order.filled_quantity > 0]
    fills = current_providers().broker.fills(after=min(filled) - FILL_MARGIN) if filled else []
    for reported in strangers:
        try:
            _adopt(reported, [fill for fill in fills if fill.broker_order_id == reported.broker_order_id])
        except (IntegrityError, DataError) as error:
            if not Order.objects.filter(client_order_id=reported.client_order_id).exists():
                _refuse(reported, str(error).splitlines()[0], report)
            continue  # else another reconciliation, at the same moment, has adopted it
        report.adopted.append(reported.client_order_id)


def _refuse(reported: BrokerOrder, reason: str, report: ReconciliationReport) -> None:
    """Say that an order at the broker has no place in the book; all others are still compared."""
    report.refused.append(
        f"{reported.client_order_id} ({reported.side.value} {reported.symbol},"
        f" {reported.broker_order_id} at the broker): {reason};"
        " look at it there: its fills are in no trade here"
    )
    _record("unknown order", reported.client_order_id, here=f"refused: {reason}", there=reported.status.value)


def _adopt(reported: BrokerOrder, fills: Sequence[BrokerFill]) -> None:
    """Take an order into the book as external, at once as it stands.

    In one transaction: an order that ended long ago must not be seen as pending, which would have the gate
    deny its symbol.
    """
    with transaction.atomic():
        order = Order.objects.create(
            client_order_id=reported.client_order_id,
            broker_order_id=reported.broker_order_id,
            symbol=reported.symbol,
            side=reported.side,
            purpose=Purpose.EXTERNAL,
            quantity=reported.quantity,
            time_in_force="",
            status="unknown",
        )
        transitions.record_created(order, symbol=reported.symbol, side=reported.side, external=True)
        record_reported(order, reported, fills)
        _record("unknown order", reported.client_order_id, here="no such order", there=reported.status.value)


def _heal(ours: Order, reported: BrokerOrder, report: ReconciliationReport) -> None:
    leased = in_force(ours.lease_until, timezone.now(), longest_lease())
    ended = ours.status not in OPEN_ORDER and ours.status != OrderStatus.FAILED
    if leased or (ended and ours.filled_quantity == reported.filled_quantity):
        return
    before = _standing(ours)
    after = _standing(record_broker_order(ours, reported))
    if after != before:
        report.healed.append(f"{reported.client_order_id}: {before} -> {after}")
        _record("order", reported.client_order_id, here=before, there=after)


def _standing(order: Order) -> str:
    part = order.filled_quantity > 0 and order.status != OrderStatus.FILLED
    return f"{order.status} {plain_decimal(order.filled_quantity)}" if part else str(order.status)


def _heal_fills(report: ReconciliationReport) -> None:
    """Add executions that are missing from orders whose fills do not add up."""
    recorded = Coalesce(Sum("fills__quantity"), 0, output_field=Order._meta.get_field("filled_quantity"))
    short = Order.objects.annotate(recorded=recorded).filter(filled_quantity__gt=F("recorded"))
    odd: list[UnreadableRow] = []
    for order in short:
        with _one_order(order, report):
            if _add_fills(order, odd):
                date_trade(order)
                report.healed.append(f"{order.client_order_id}: fills added")
                _record("fills", order.client_order_id, here="fills missing", there="added")
    _leave_out(Listing.FILLS, list(dict.fromkeys(odd)), report)


def _add_fills(order: Order, odd: list[UnreadableRow]) -> bool:
    """Ask for an order's executions and record them; return whether there were any that had not been.

    Args:
        odd: what could not be understood of them is added here.
    """
    broker = current_providers().broker
    reported = broker.order(order.broker_order_id) if order.broker_order_id else None
    if reported is None:
        return False
    fills = broker.fills(after=reported.submitted_at - FILL_MARGIN)
    odd += unreadable_of(fills)
    before = order.fills.count()
    record_fills(order, [fill for fill in fills if fill.broker_order_id == reported.broker_order_id])
    return order.fills.count() > before
