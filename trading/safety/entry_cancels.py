"""Cancelling what would open positions, at the broker: part of every engagement of the kill switch."""

import time
from dataclasses import dataclass, field

import structlog
from django.utils import timezone

from connectors.base import Broker, OpenOrders, Side
from connectors.errors import ConnectorError, RejectedError
from connectors.transport import time_limit
from trading.core.providers import current_providers
from trading.domain.ages import in_force
from trading.errors import NotConfiguredError
from trading.models import Order
from trading.orders.execution_reports import record_broker_order
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
    """What was asked to be cancelled and what the broker still had open at the end, by client_order_id."""

    requested: list[str] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def cancel_open_entries(*, within_seconds: float) -> CancelReport:
    """Ask the broker to cancel what opens positions, and wait a little for its word; exits and stops stay.

    Never raises for the broker's sake: what could not be done is a problem, in words.

    Args:
        within_seconds: no request of it ends later.
    """
    report = CancelReport()
    with time_limit(within_seconds):
        try:
            broker = current_providers().switch_broker
            reported = broker.open_orders()
        except (ConnectorError, NotConfiguredError) as error:
            report.problems.append(f"open orders could not be read: {error}")
            return report
        resting = _resting(reported, report)
        asked = _ask_to_cancel(broker, resting, report)
        try:
            still = _await_word(broker, asked) if resting else []
            report.remaining = [order.client_order_id or order.words for order in still]
            _record(broker, asked)
        except ConnectorError as error:
            report.remaining = [order.client_order_id or order.words for order in resting]
            report.problems.append(f"the broker has not confirmed the cancels: {error}")
    return report


def _resting(reported: OpenOrders, report: CancelReport | None = None) -> list[_Resting]:
    """Return what is not known to sell; a row that cannot be understood is cancelled by its id, and said."""
    found = [
        _Resting(order.broker_order_id, order.client_order_id, f"{order.symbol} {order.client_order_id}")
        for order in reported.orders
        if order.side is Side.BUY
    ]
    for row in reported.unreadable:
        if row.side == Side.SELL:
            continue
        words = f"{row.symbol or 'unknown symbol'} {row.broker_order_id or 'without an id'}"
        if row.broker_order_id:
            found.append(_Resting(row.broker_order_id, "", words))
        elif report is not None:
            report.problems.append(f"an open order cannot be read, look at it at the broker: {row.detail}")
    return found


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
            reported = broker.order(by_id[ours.client_order_id].broker_order_id)
            if reported is not None:
                record_broker_order(ours, reported)
