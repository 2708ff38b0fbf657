"""Sync account and positions from the broker; what the broker reports replaces what we had stored."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors.base import Account, Broker, BrokerOrder, BrokerPosition, MarketClock
from connectors.errors import ConnectorError
from connectors.rows import UnreadableRow
from connectors.wire import LARGEST_NUMBER
from risk.services import book as risk_book
from risk.services import locks
from trading.core import set_aside, transitions
from trading.core.providers import current_providers
from trading.core.row_locks import locked_agent
from trading.domain.statuses import OPEN_ORDER
from trading.errors import WorldMismatchError
from trading.execution import sync_sequence, unread_positions
from trading.market import clock_watch
from trading.models import AgentStatus, EquitySnapshot, Order, Position
from trading.models.portfolio import next_in_order
from trading.orders.execution_reports import look_up
from trading.safety import watchdog

SYNCED = "position_synced"
MARGIN = timedelta(minutes=5)  # clocks differ, and a replay's market time may jump
LOOKS = 3  # fills between the two looks at the orders make positions ambiguous
# What a sync says anew of a position that is known: all but when it was opened.
SYNCED_FIELDS = [
    "asset_class",
    "quantity",
    "quantity_available",
    "average_entry_price",
    "market_value",
    "unrealised_pnl",
    "source",
    "synced_at",
]

KNOWN_FIELDS = (
    "reservation_id",
    "broker_order_id",
    "created_at",
    "filled_quantity",
    "acknowledged_at",
    "status",
    "symbol",
)


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """What we knew of an order with a reservation when we asked.

    ``filled_quantity`` is at least what we have recorded: the sync asks the broker again. ``is_taken``: the
    broker has it, so the buying power it tells is without the order's cost. ``ended_as`` is
    its final status, "" while it is open.
    """

    reservation_id: UUID
    broker_order_id: str | None
    created_at: datetime
    filled_quantity: Decimal
    is_taken: bool
    ended_as: str
    symbol: str = ""

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


def sync_portfolio(
    cycle_id: UUID | None, *, looks: int = LOOKS, broker: Broker | None = None
) -> PortfolioTruth:
    """Ask the broker for clock, account and positions and store them; return what it said.

    An answer older than what is stored already changes nothing, and says so (``is_stored``).

    Args:
        looks: how often to look at most while orders fill under our eyes; with one, such a fill may count
            twice until the next sync, never not at all.
        broker: whom to ask, the same account; the ordinary one where not said.

    Raises:
        WorldMismatchError: it is another account than the one this database belongs to.
        ConnectorError: the broker did not answer; nothing was stored.
    """
    providers = current_providers()
    try:
        truth = _ask(broker or providers.broker, looks)
    except ConnectorError as error:
        watchdog.sync_failed(error)
        raise
    if store_truth(truth, cycle_id, world=providers.world):
        truth = replace(truth, is_stored=True)
        clock_watch.note_market_clock(truth.clock.now, may_jump=providers.simulated)
        watchdog.after_sync(truth.account)
    return truth


def includes(order: Order) -> bool:
    """Return whether the stored sync was asked for after the order's end: the positions hold what it filled.

    Once true it stays true, for what is stored later is newer. The order's end must have its place in the order of
    syncs (``note_end``); without one nothing is known.
    """
    stored = AgentStatus.objects.values_list("positions_sequence", flat=True).get(pk=1)
    return order.ended_sequence is not None and stored > order.ended_sequence


def holds_fill(order: Order) -> bool:
    """Return whether the stored positions hold what the order filled, known to have been asked for after its end.

    They do not where the row of its symbol could not be read: then they are as they were before.
    """
    if order.symbol not in set_aside.unclear_symbols():
        return True
    as_of = AgentStatus.objects.values_list("positions_as_of", flat=True).get(pk=1)
    return as_of is not None and Position.objects.filter(pk=order.symbol, synced_at=as_of).exists()


def note_end(order: Order) -> None:
    """Give the end of an order a place in the order of syncs, where it has none: as of now, which is later."""
    if order.ended_sequence is None:
        Order.objects.filter(pk=order.pk, ended_sequence=None).update(ended_sequence=next_in_order())
        order.refresh_from_db(fields=["ended_sequence"])


def store_truth(truth: PortfolioTruth, cycle_id: UUID | None, *, world: str) -> bool:
    """Store what the broker said, unless a newer answer is stored; return whether it was stored.

    One transaction under the risk book's lock stores positions and money and hands over to them the
    reservations they include: a reader of the book finds each fill in exactly one of both.

    Raises:
        WorldMismatchError: it is another account than the one this database belongs to.
    """
    with transaction.atomic():
        locks.lock_book()
        agent = locked_agent()
        _require_same_account(agent, truth.account, world)
        if agent.positions_sequence >= truth.sequence:
            sync_sequence.catch_up(agent.positions_sequence)
            return False  # a newer answer is stored: this one would give released room out twice
        agent.positions_sequence = truth.sequence
        agent.market_time, agent.market_open = truth.clock.now, truth.clock.is_open
        agent.market_rate = truth.clock.rate
        agent.market_time_read_at = agent.positions_as_of = truth.asked_at
        EquitySnapshot.objects.create(
            cycle_id=cycle_id,
            equity=truth.account.equity,
            session_start_equity=truth.account.last_equity,
            cash=truth.account.cash,
            buying_power=truth.account.buying_power,
            market_time=truth.clock.now,
            source="broker_live",
            sync_sequence=truth.sequence,
        )
        _store_positions(truth, cycle_id)
        agent.account_id = truth.account.account_id
        agent.world = world
        agent.daily_pnl = truth.account.equity - truth.account.last_equity
        agent.position_count = Position.objects.count()
        agent.save()
        set_aside.note(set_aside.Listing.POSITIONS, truth.unreadable, at=truth.asked_at)
        _hand_over(truth)
    return True


def known_orders() -> tuple[KnownOrder, ...]:
    """Return what we know of the orders that hold a reservation; read it before the question's place is taken.

    What we knew before the question is in the answer, so its sync may let go of it. And a sync that stores
    later has a later place, so its answer has it too: were this read after taking the place, a slow sync could let
    go of a fill that a sync of a later place, but an earlier look at the broker, then takes from the positions.
    """
    holding = Order.objects.filter(reservation__released_at__isnull=True, reservation__isnull=False)
    return tuple(
        KnownOrder(
            reservation_id=reservation_id,
            broker_order_id=broker_order_id,
            created_at=created_at,
            filled_quantity=filled,
            is_taken=acknowledged_at is not None or filled > 0,
            ended_as="" if status in OPEN_ORDER else status,
            symbol=symbol,
        )
        for reservation_id, broker_order_id, created_at, filled, acknowledged_at, status, symbol in (
            holding.values_list(*KNOWN_FIELDS)
        )
        if reservation_id is not None
    )


def _hand_over(truth: PortfolioTruth) -> None:
    """Let go of what the positions now include, and of what ended unfilled and nobody compensated yet.

    What was filled of a symbol whose position could not be read is in no position: its room stays reserved.
    """
    risk_book.forget_sync()
    for order in truth.known:
        if order.symbol in truth.unread_symbols and order.filled_quantity > 0:
            continue
        if order.ended_as:
            reason = SYNCED if order.filled_quantity > 0 else f"order_{order.ended_as}"
            risk_book.release(order.reservation_id, reason=reason)
        else:
            risk_book.include_in_sync(
                order.reservation_id, quantity=order.filled_quantity, in_buying_power=order.is_taken
            )


def submitted_after(clock: MarketClock, created_at: datetime, now: datetime) -> datetime:
    """Return the broker's time before which an order we made at ``created_at`` (wall time) was not submitted.

    Where a clock stepped back since, an order seems to come from the future, and may have been submitted before.
    """
    passed = max(now - created_at, timedelta(0)) * max(float(clock.rate), 1.0)
    return clock.now - passed - MARGIN


def _ask(broker: Broker, looks: int) -> PortfolioTruth:
    known = known_orders()  # before the place is taken: see there
    sequence, asked_at = sync_sequence.take_place(), timezone.now()
    clock = broker.clock()
    since = submitted_after(clock, _oldest(known, asked_at), asked_at)  # what it misses is asked for alone
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


def _require_same_account(agent: AgentStatus, account: Account, world: str) -> None:
    if agent.account_id and agent.account_id != account.account_id:
        raise WorldMismatchError(
            f"this database belongs to account {agent.account_id} ({agent.world}), the broker answered for"
            f" {account.account_id} ({world}): start with the settings it was made with, or set"
            " ORCHESTRATOR_HOME (or DATABASE_URL) to begin anew beside it"
        )


def _store_positions(truth: PortfolioTruth, cycle_id: UUID | None) -> None:
    before = {p.symbol: p for p in Position.objects.select_for_update()}
    reported = {p.symbol: p for p in truth.positions if p.quantity != 0}
    unread = before.keys() & truth.unread_symbols
    # As it was, its time too; what it is worth now nobody knows.
    Position.objects.filter(pk__in=unread).update(market_value=None, unrealised_pnl=None)
    for symbol in before.keys() - reported.keys() - unread:
        before[symbol].delete()
        _append_position_event(symbol, "closed", before[symbol].quantity, Decimal(0), cycle_id)
    Position.objects.bulk_create(
        [_row(position, truth) for position in reported.values()],
        update_conflicts=True,
        unique_fields=["symbol"],
        update_fields=SYNCED_FIELDS,
    )
    for symbol, position in reported.items():
        known = before.get(symbol)
        if known is None:
            _append_position_event(symbol, "opened", Decimal(0), position.quantity, cycle_id)
        elif known.quantity != position.quantity:
            _append_position_event(symbol, "changed", known.quantity, position.quantity, cycle_id)


def _row(position: BrokerPosition, truth: PortfolioTruth) -> Position:
    """Return the row of a position that opens now; of a known one ``SYNCED_FIELDS`` are taken."""
    return Position(
        symbol=position.symbol,
        asset_class=position.asset_class,
        quantity=position.quantity,
        quantity_available=position.quantity_available,
        average_entry_price=position.average_entry_price,
        market_value=position.market_value,
        unrealised_pnl=_profit(position),
        source="broker_live",
        opened_at=truth.clock.now,
        synced_at=truth.asked_at,
    )


def _profit(position: BrokerPosition) -> Decimal | None:
    """Return value less cost in USD; None where the value is not known, or the cost is beyond all reason."""
    cost = position.average_entry_price * position.quantity
    if position.market_value is None or abs(cost) > LARGEST_NUMBER:
        return None
    return position.market_value - cost


def _append_position_event(
    symbol: str, event: str, before: Decimal, after: Decimal, cycle_id: UUID | None
) -> None:
    transitions.append_event(
        aggregate_type="position",
        aggregate_id=symbol,
        event_type=f"position.{event}",
        payload={"symbol": symbol, "from": str(before.normalize()), "to": str(after.normalize())},
        cycle_id=cycle_id,
    )
