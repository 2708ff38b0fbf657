"""Cancelling what would open positions, at the broker: part of every engagement of the kill switch."""

import time
from dataclasses import dataclass, field

import structlog
from django.utils import timezone

from connectors.base import Broker, OpenOrders, Side
from connectors.errors import ConnectorError, RejectedError
from connectors.rows import UnreadableRow
from connectors.transport import time_limit
from trading.core.providers import current_providers
from trading.domain.ages import in_force
from trading.domain.order_ids import Purpose
from trading.errors import NotConfiguredError
from trading.models import Order
from trading.orders.execution_reports import look_up, record_broker_order
from trading.orders.pacing import longest_lease

log = structlog.get_logger(__name__)
CONFIRM_SECONDS = 2.0
CONFIRM_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Resting:
    """An order that may open a position, as far as it could be read."""

    broker_order_id: str
    client_order_id: str
    words: str


@dataclass(slots=True)
class CancelReport:
    """What was asked to be cancelled and what the broker still had open at the end, by client_order_id.

    ``left_alone``: orders of kinds that are not traded here, which a person placed.
    """

    requested: list[str] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)


def cancel_open_entries(*, within_seconds: float) -> CancelReport:
    """Ask the broker to cancel what opens positions, and wait a little for its word; exits and stops stay.

    Never raises for the broker's sake: what could not be done is a problem, in words.

    Args:
        within_seconds: no request of it ends later.
    """
    report = CancelReport()
    try:
        # Before the limit: a new process loads the broker's libraries, which is no time of the requests'.
        broker = current_providers().switch_broker
        with time_limit(within_seconds):
            _cancel_at(broker, report)
    except (ConnectorError, NotConfiguredError) as error:
        report.problems.append(f"open orders could not be read: {error}")
    return report


def _cancel_at(broker: Broker, report: CancelReport) -> None:
    reported = broker.open_orders()
    resting = _resting(reported, report)
    asked = _ask_to_cancel(broker, resting, report)
    try:
        still = _await_word(broker, asked) if resting else []
        report.remaining = [order.client_order_id or order.words for order in still]
        _record(broker, asked)
    except ConnectorError as error:
        report.remaining = [order.client_order_id or order.words for order in resting]
        report.problems.append(f"the broker has not confirmed the cancels: {error}")


def _resting(reported: OpenOrders, report: CancelReport | None = None) -> list[_Resting]:
    """Return what is not known to sell; a row that cannot be understood is cancelled by its id, and said.

    A row of a kind that is not traded here is left alone, unless it bears an id of ours.
    """
    found = [
        _Resting(order.broker_order_id, order.client_order_id, f"{order.symbol} {order.client_order_id}")
        for order in reported.orders
        if order.side is Side.BUY
    ]
    ours = _ours(reported.unreadable)
    for row in reported.unreadable:
        mine = ours.get(row.client_order_id)
        if row.other_kind and mine is None:
            if report is not None:
                report.left_alone.append(f"order {row}")
            continue
        if row.side == Side.SELL:
            continue
        broker_order_id = row.row_id or (mine.broker_order_id if mine else None)
        words = f"{row.symbol or 'unknown symbol'} {broker_order_id or 'without an id'}"
        if broker_order_id:
            found.append(_Resting(broker_order_id, mine.client_order_id if mine else "", words))
        elif report is not None:
            report.problems.append(f"an open order cannot be read, look at it at the broker: {row.detail}")
            found += _may_be_it(reported)
    return list({order.broker_order_id: order for order in found}.values())


def _ours(rows: tuple[UnreadableRow, ...]) -> dict[str, Order]:
    """Return our orders among rows that cannot be understood, by client_order_id."""
    ids = [row.client_order_id for row in rows if row.client_order_id]
    known = Order.objects.filter(client_order_id__in=ids) if ids else Order.objects.none()
    return {order.client_order_id: order for order in known.exclude(purpose=Purpose.EXTERNAL)}


def _may_be_it(reported: OpenOrders) -> list[_Resting]:
    """Return our entries that the broker has by our record and does not list: a row without an id may be it."""
    listed = {order.broker_order_id for order in reported.orders} | {
        row.row_id for row in reported.unreadable
    }
    mine = (
        Order.objects.live()
        .filter(side=Side.BUY, broker_order_id__isnull=False)
        .exclude(purpose=Purpose.EXTERNAL)
    )
    return [
        _Resting(order.broker_order_id, order.client_order_id, f"{order.symbol} {order.client_order_id}")
        for order in mine
        if order.broker_order_id is not None and order.broker_order_id not in listed
    ]


def _ask_to_cancel(broker: Broker, resting: list[_Resting], report: CancelReport) -> list[_Resting]:
    asked = []
    for order in resting:
        try:
            broker.cancel_order(order.broker_order_id)
            report.requested.append(order.client_order_id or order.words)
            asked.append(order)
        except RejectedError as error:
            log.info("cancel_came_late", order=order.words, error=str(error))
        except ConnectorError as error:
            report.problems.append(f"{order.words}: {error}")
    return asked


def _await_word(broker: Broker, asked: list[_Resting]) -> list[_Resting]:
    """Return the entries the broker still has open, after waiting for those it was asked to cancel."""
    give_up_at = time.monotonic() + CONFIRM_SECONDS
    waited_for = {order.broker_order_id for order in asked}
    while True:
        still = _resting(broker.open_orders())
        if not any(order.broker_order_id in waited_for for order in still) or time.monotonic() > give_up_at:
            return still
        time.sleep(CONFIRM_PAUSE_SECONDS)


def _record(broker: Broker, asked: list[_Resting]) -> None:
    """Write down how the cancelled orders ended; one whose request is under way is left to its submitter."""
    by_id = {order.client_order_id: order for order in asked}
    now = timezone.now()
    for ours in Order.objects.filter(client_order_id__in=by_id):
        if not in_force(ours.lease_until, now, longest_lease()):
            reported = look_up(broker, by_id[ours.client_order_id].broker_order_id)
            if reported is not None:
                record_broker_order(ours, reported)
