"""Ask the broker how orders stand of which it has not said anything: one question for all that are under way."""

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from connectors.errors import MostUnreadableError
from risk.services import switch
from trading.core.providers import current_providers
from trading.core.waits import is_to_come
from trading.domain.ages import in_force
from trading.domain.order_ids import Purpose
from trading.domain.statuses import OrderStatus, SagaStatus
from trading.execution.portfolio_truth import submitted_after
from trading.market.market_time import latest_reading
from trading.models import Order, Saga
from trading.orders import broker_stream
from trading.orders.execution_reports import record_broker_order, record_together
from trading.orders.submission import UNSENT

POLL_INTERVAL = timedelta(seconds=3)
SENT_SOON = timedelta(seconds=5)  # after it was made; then nobody waits for it
AT_THE_BROKER = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


def is_word_due(order: Order, *, heard_at: datetime | None = None) -> bool:
    """Tell whether the broker's word on an order that was just sent comes without a question.

    It comes on the stream, where that is there. Else the last of those that are sent together asks for all.

    Args:
        heard_at: the stream's last sign (wall time), as it was just read; None: it is read here.
    """
    return broker_stream.is_alive(heard_at) or sent_soon(timezone.now()).exclude(pk=order.pk).exists()


def sent_soon(now: datetime) -> QuerySet[Order]:
    """Return the orders that are about to be sent: made a moment ago, for a saga that goes on."""
    made = Order.objects.filter(status__in=UNSENT, created_at__gt=now - SENT_SOON)
    # What is to come by its time was made before a clock stepped back.
    return made.filter(saga__status=SagaStatus.RUNNING).exclude(is_to_come("created_at", now))


def waits_for_word(saga: Saga) -> bool:
    """Tell whether all that a saga waits for is the broker's word on its order: it is in time, and wanted.

    An entry whose request outlived its killed sender reaches the broker after the switch's cancels: it is not.
    """
    order = saga.order
    if saga.status != SagaStatus.RUNNING or order.status not in AT_THE_BROKER:
        return False
    in_time = in_force(saga.deadline_at, timezone.now(), saga.deadline_at - saga.started_at)
    return in_time and not (order.purpose == Purpose.ENTRY and switch.is_engaged())


def confirm(order: Order) -> Order:
    """Ask how all orders under way stand, and record it; return this one as it stands.

    The sagas of the others are not asked about again for a while; one whose order has ended is due at once.

    Raises:
        ConnectorError: the broker did not answer; nothing was recorded.
    """
    broker = current_providers().broker
    asked = {one.broker_order_id: one for one in _under_way() if one.broker_order_id is not None}
    now = timezone.now()
    market = latest_reading()
    listed: set[str] = set()
    if market is not None and order.broker_order_id in asked:
        oldest = min(one.created_at for one in asked.values())
        try:
            since = submitted_after(market.now, market.rate, oldest, now)
            listed = record_together(asked, broker=broker, since=since)
        except MostUnreadableError:  # this one may be readable by itself
            listed = set()
    others = Saga.objects.open().filter(order__broker_order_id__in=listed).exclude(order=order)
    others.filter(order__status__in=AT_THE_BROKER).update(next_poll_at=now + POLL_INTERVAL)
    others.exclude(order__status__in=AT_THE_BROKER).update(next_poll_at=now)
    if order.broker_order_id is not None and order.broker_order_id not in listed:
        reported = broker.order(order.broker_order_id)
        return record_broker_order(order, reported) if reported else order
    order.refresh_from_db()
    return order


def _under_way() -> list[Order]:
    """Return the orders that the broker has and whose sagas wait for its word."""
    waiting = Saga.objects.filter(status=SagaStatus.RUNNING, order__status__in=AT_THE_BROKER)
    return [saga.order for saga in waiting.select_related("order") if waits_for_word(saga)]
