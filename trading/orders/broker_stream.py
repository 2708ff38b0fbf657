"""What the broker says on its own stream is recorded as it comes: the order as it then stood, and what filled.

The stream is the broker's, behind our keys, so nothing has to be asked again. Its messages may come late, twice, in
any order, or not at all: what is recorded only ever advances, executions are known by their id, and who waits for a
word that does not come asks (``execution/confirmation.py``).
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from connectors.base import BrokerOrderStatus, TradeUpdate
from trading.core import heartbeats
from trading.core.statements.compiled_reads import CompiledRead
from trading.core.statements.moved_rows import Beside
from trading.domain.ages import is_fresh
from trading.domain.order_ids import PROTECTIVE
from trading.domain.statuses import OrderStatus
from trading.models import Heartbeat, Order
from trading.orders.execution_reports import record_first_fill, record_reported, says_nothing_new

LISTENER = "listener"
SILENT_AFTER = timedelta(seconds=10)  # the listener gives its sign every 2 s while it is connected

_BEAT = CompiledRead(lambda process: Heartbeat.objects.filter(process=process), of=str)
_OURS = CompiledRead(
    lambda name: Order.objects.filter(
        Q(saga__isnull=False) | Q(purpose__in=PROTECTIVE), client_order_id=name
    ).select_related("saga"),
    of=str,
)


def note_alive() -> None:
    """Note that the stream is there (wall time).

    Raises:
        DatabaseError, InterfaceError: the database is away.
    """
    heartbeats.beat(LISTENER, "connected to the broker's stream")


def is_alive(heard_at: datetime | None = None) -> bool:
    """Tell whether the stream was there a moment ago, so that a word of the broker may be waited for.

    Args:
        heard_at: the listener's last sign (wall time), as it was just read; None: it is read here.
    """
    if heard_at is None and (beat := _BEAT.first(LISTENER)) is not None:
        heard_at = beat.beaten_at
    return heard_at is not None and is_fresh(heard_at, timezone.now(), SILENT_AFTER)


def record_update(
    update: TradeUpdate, beside: Callable[[Order], Beside] = lambda _: Beside()
) -> Order | None:
    """Record an update of an order that has a saga, or that protects; return it as it stands, its saga with it.

    None: it is no such order, or the broker has another order under its name; nothing was recorded.

    Args:
        beside: returns what is said with a first fill: see ``record_first_fill``.
    """
    reported = update.order
    order = _OURS.first(reported.client_order_id)
    if order is None or order.broker_order_id not in (None, reported.broker_order_id):
        return None
    if says_nothing_new(order, reported):
        return order
    if update.execution is None:
        return record_reported(order, reported, [])
    first = record_first_fill(order, reported, update.execution, beside(order))
    return first or record_reported(order, reported, [update.execution])


def says_only_that_it_rests(update: TradeUpdate) -> bool:
    """Tell whether an update says no more than that the broker has an order, of which nothing has filled."""
    order = update.order
    is_plain = order.status == BrokerOrderStatus.ACCEPTED and order.filled_quantity == 0
    return is_plain and update.execution is None


def unheard_of(updates: Sequence[TradeUpdate]) -> list[TradeUpdate]:
    """Return those of such updates that may say something new, the others by one query: the broker's answer is known.

    What was acknowledged once rests, or has gone further since: it learns nothing from hearing that it rested.
    """
    rows = Order.objects.filter(
        client_order_id__in={update.order.client_order_id for update in updates},
        acknowledged_at__isnull=False,
    )
    known = set(rows.exclude(status=OrderStatus.FAILED).values_list("client_order_id", "broker_order_id"))
    named = [(update, (update.order.client_order_id, update.order.broker_order_id)) for update in updates]
    return [update for update, names in named if names not in known]
