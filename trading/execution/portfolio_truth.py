"""What the broker says of the account at one moment, and what we knew of our orders when we asked."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.utils import timezone

from connectors.base import Account, Broker, BrokerOrder, BrokerPosition, MarketClock
from connectors.rows import UnreadableRow
from trading.core import unread_positions
from trading.core.statements.together import read_together
from trading.domain.ages import is_fresh
from trading.domain.profit import FEE_IN_KIND
from trading.domain.statuses import OPEN_ORDER
from trading.execution import sync_sequence
from trading.models import Order
from trading.orders.execution_reports import look_up

LAG = timedelta(seconds=10)  # the longest that positions are taken to be behind; no broker states a figure
MARGIN = timedelta(minutes=5)  # clocks differ, and a replay's market time may jump
KNOWN_FIELDS = (
    "reservation_id",
    "broker_order_id",
    "created_at",
    "filled_quantity",
    "acknowledged_at",
    "status",
    "symbol",
    "side",
    "ended_at",
)


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """What we knew of an order with a reservation when we asked.

    ``filled_quantity`` is at least what we have recorded: the sync asks the broker again. ``is_taken``: the
    broker has it, so the buying power it tells is without the order's cost. ``ended_as`` is
    its final status, "" while it is open; ``ended_at`` when that was recorded (wall time).
    """

    reservation_id: UUID
    broker_order_id: str | None
    created_at: datetime
    filled_quantity: Decimal
    is_taken: bool
    ended_as: str
    symbol: str = ""
    side: str = ""
    ended_at: datetime | None = None

    @property
    def is_asked_about(self) -> bool:
        """Whether the broker has it and may have filled more of it than we know."""
        return self.broker_order_id is not None and not self.ended_as


@dataclass(frozen=True, slots=True)
class PortfolioTruth:
    """What the broker said, and what we knew of orders when we asked.

    ``sequence`` is its place in the order of syncs, taken before the broker was asked: it decides which answer is
    newer. ``asked_at`` (wall time) is shown to people and decides nothing. ``is_stored`` is False also where a
    newer answer was stored already, which then holds whatever this one had to hold. ``unreadable`` are the rows of
    positions that could not be understood; one whose value alone is not known is among the positions, too.
    """

    sequence: int
    asked_at: datetime
    account: Account
    clock: MarketClock
    positions: tuple[BrokerPosition, ...]
    known: tuple[KnownOrder, ...] = ()
    unreadable: tuple[UnreadableRow, ...] = ()
    is_stored: bool = False

    @property
    def unread_symbols(self) -> frozenset[str]:
        """The symbols of which it is not known how much is held."""
        known = {position.symbol for position in self.positions}
        return frozenset(row.symbol for row in self.unreadable if row.symbol and not row.other_kind) - known


def known_orders() -> tuple[tuple[KnownOrder, ...], int]:
    """Return what we know of the orders that hold a reservation, and the question's place, which is taken after it.

    One statement: it sees what was committed before it began, and draws the place then.

    What we knew before the question is in the answer, so its sync may let go of it. And a sync that stores
    later has a later place, so its answer has it too: were this read after taking the place, a slow sync could let
    go of a fill that a sync of a later place, but an earlier look at the broker, then takes from the positions.
    """
    holding = Order.objects.filter(reservation__released_at__isnull=True, reservation__isnull=False)
    read = read_together({"holding": holding.only(*KNOWN_FIELDS), "place": sync_sequence.NEXT_PLACE})
    return tuple(_known(order) for order in read["holding"]), int(read["place"][0]["place"])


def _known(order: Order) -> KnownOrder:
    assert order.reservation_id is not None  # noqa: S101 - it holds one
    return KnownOrder(
        reservation_id=order.reservation_id,
        broker_order_id=order.broker_order_id,
        created_at=order.created_at,
        filled_quantity=order.filled_quantity,
        is_taken=order.acknowledged_at is not None or order.filled_quantity > 0,
        ended_as="" if order.status in OPEN_ORDER else order.status,
        symbol=order.symbol,
        side=order.side,
        ended_at=order.ended_at,
    )


def submitted_after(market_time: datetime, rate: float, created_at: datetime, now: datetime) -> datetime:
    """Return the broker's time before which an order we made at ``created_at`` (wall time) was not submitted.

    Where a clock stepped back since, an order seems to come from the future, and may have been submitted before.

    Args:
        market_time: the broker's, at ``now`` (wall time); it passes at ``rate``.
    """
    passed = max(now - created_at, timedelta(0)) * max(rate, 1.0)
    return market_time - passed - MARGIN


def ask(broker: Broker, looks: int) -> PortfolioTruth:
    """Ask for clock, account and positions, and how much of our open orders has filled; nothing is stored.

    Args:
        looks: how often to look at most while orders fill under our eyes.

    Raises:
        ConnectorError: the broker did not answer.
    """
    (known, sequence), asked_at = known_orders(), timezone.now()
    clock = broker.clock()
    # What is older than that is asked for alone.
    since = submitted_after(clock.now, float(clock.rate), _oldest(known, asked_at), asked_at)
    fills = _with_fills(broker, known, since)
    for look in range(1, looks + 1):
        included = fills  # reported before the positions: what they include at least
        account, positions, unreadable = broker.account(), *unread_positions.read_positions(broker)
        if look == looks or (fills := _with_fills(broker, known, since)) == included:
            break
    return PortfolioTruth(sequence, asked_at, account, clock, positions, included, unreadable)


def _oldest(known: tuple[KnownOrder, ...], otherwise: datetime) -> datetime:
    """Return when the oldest order we ask about was made (wall time)."""
    return min((order.created_at for order in known if order.is_asked_about), default=otherwise)


def _with_fills(broker: Broker, known: tuple[KnownOrder, ...], since: datetime) -> tuple[KnownOrder, ...]:
    """Ask how much of our open orders has filled, so that a fill we have not heard of counts once.

    Costs nothing while no order is open, and one request for all of them otherwise: many sagas sync at
    once, and the broker limits requests. Only an order that the list does not have is asked for alone.

    Args:
        since: the broker's time before which none of them was submitted.
    """
    if not any(order.is_asked_about for order in known):
        return known
    listed = {order.broker_order_id: order for order in broker.orders(open_only=False, after=since)}
    return tuple(
        _with_fill(order, listed.get(order.broker_order_id) or look_up(broker, order.broker_order_id))
        if order.is_asked_about and order.broker_order_id is not None
        else order
        for order in known
    )


def _with_fill(order: KnownOrder, reported: BrokerOrder | None) -> KnownOrder:
    filled = reported.filled_quantity if reported else order.filled_quantity
    return replace(order, filled_quantity=max(filled, order.filled_quantity))


def is_missing(
    *, side: str, filled: Decimal, ended_at: datetime | None, held: Decimal, now: datetime
) -> bool:
    """Tell whether a position seems to be without what an order has just bought.

    Its room must go on to count then, or it would be given out twice. A sale that is missing counts too much.

    Args:
        filled: base units that the order filled; ``held``: what the broker says is held of the symbol.
        ended_at: when the order's end was recorded (wall time).
    """
    if side != "buy" or not is_fresh(ended_at, now, LAG):
        return False
    return held < filled * (1 - FEE_IN_KIND)
