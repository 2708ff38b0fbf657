"""What the broker says on its own stream is recorded as it comes: the order as it then stood, and what filled.

The stream is the broker's, behind our keys, so nothing has to be asked again. Its messages may come late, twice, in
any order, or not at all: what is recorded only ever advances, executions are known by their id, and who waits for a
word that does not come asks (``execution/confirmation.py``).
"""

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from connectors.base import TradeUpdate
from trading.core import heartbeats
from trading.core.statements.compiled_reads import CompiledRead
from trading.domain.ages import is_fresh
from trading.domain.order_ids import PROTECTIVE
from trading.models import Heartbeat, Order
from trading.orders.execution_reports import record_reported, says_nothing_new

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


def record_update(update: TradeUpdate) -> Order | None:
    """Record an update of an order that has a saga, or that protects; return it as it stands, its saga with it.

    None: it is no such order, or the broker has another order under its name; nothing was recorded.
    """
    reported = update.order
    order = _OURS.first(reported.client_order_id)
    if order is None or order.broker_order_id not in (None, reported.broker_order_id):
        return None
    if says_nothing_new(order, reported):
        return order
    return record_reported(order, reported, [update.execution] if update.execution else [])
