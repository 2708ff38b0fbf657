"""Sync account and positions from the broker; what the broker reports replaces what we had stored."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from connectors.base import Account, Broker, BrokerPosition
from connectors.errors import ConnectorError
from connectors.wire import LARGEST_NUMBER
from risk.services import book as risk_book
from risk.services import locks
from trading.core import set_aside, transitions
from trading.core.providers import current_providers
from trading.core.row_locks import agent_to_lock
from trading.core.statements.message import Message
from trading.core.statements.together import read_together
from trading.domain.performance.splits import split_price, split_ratio
from trading.domain.protection.plans import tick_at
from trading.errors import WorldMismatchError
from trading.execution import sync_sequence
from trading.execution.portfolio_truth import PortfolioTruth, ask, is_missing
from trading.market import clock_watch
from trading.models import AgentStatus, BookCheck, EquitySnapshot, Order, Position
from trading.performance import comparison
from trading.protection import theses
from trading.safety import watchdog

SYNCED = "position_synced"
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
        truth = ask(broker or providers.broker, looks)
    except ConnectorError as error:
        watchdog.sync_failed(error)
        raise
    if store_truth(truth, cycle_id, world=providers.world):
        truth = replace(truth, is_stored=True)
        clock_watch.note_market_clock(truth.clock.now, may_jump=providers.simulated)
        beside = {"checks": BookCheck.objects.only("pk")[:1]}
        if not watchdog.after_sync(truth.account, beside)["checks"]:
            comparison.begin_comparison()
    return truth


def held_by_positions(orders: Collection[Order]) -> list[Order]:
    """Return those orders whose fill the stored positions hold, known to have been asked for after their end.

    They do not where the row of its symbol could not be read: then they are as they were before. Nor while they are
    behind what was just bought.
    """
    read = read_together(
        {
            "agent": AgentStatus.objects.filter(pk=1).only("positions_as_of"),
            "unclear": set_aside.unclear_rows(),
            "positions": Position.objects.filter(pk__in={order.symbol for order in orders}).only(
                "quantity", "synced_at"
            ),
        }
    )
    (agent,), now = read["agent"], timezone.now()
    unclear = {row.symbol for row in read["unclear"]}
    stored = {row.symbol: row for row in read["positions"]}
    found = []
    for order in orders:
        position = stored.get(order.symbol)
        if order.symbol in unclear and (position is None or position.synced_at != agent.positions_as_of):
            continue
        held = position.quantity if position else Decimal(0)
        filled, ended_at = order.filled_quantity, order.ended_at
        if not is_missing(side=order.side, filled=filled, ended_at=ended_at, held=held, now=now):
            found.append(order)
    return found


def store_truth(truth: PortfolioTruth, cycle_id: UUID | None, *, world: str) -> bool:
    """Store what the broker said, unless a newer answer is stored; return whether it was stored.

    One transaction under the risk book's lock stores positions and money and hands over to them the
    reservations they include: a reader of the book finds each fill in exactly one of both.

    Raises:
        WorldMismatchError: it is another account than the one this database belongs to.
    """
    with transaction.atomic():
        agent, before = _read_locked()
        _require_same_account(agent, truth.account, world)
        if agent.positions_sequence >= truth.sequence:
            sync_sequence.catch_up(agent.positions_sequence)
            return False  # a newer answer is stored: this one would give released room out twice
        message = Message()
        message.insert([_money(truth, cycle_id)])
        changed = _store_positions(truth, before, cycle_id, message)
        held = before.keys() & truth.unread_symbols | changed.held.keys()
        columns = {**_standing(truth, world), "position_count": len(held)}
        message.update(AgentStatus.objects.filter(pk=agent.pk), columns)
        set_aside.note(set_aside.Listing.POSITIONS, truth.unreadable, at=truth.asked_at, message=message)
        _hand_over(truth, message)
        gone = theses.of_the_gone(held, sequence=truth.sequence)
        is_any_gone = read_together({"gone": gone.values("pk")[:1]}, after=message)["gone"]
        for known, position in changed.splits:
            _split_prices(known, position)
        if is_any_gone:
            theses.close_gone(held, sequence=truth.sequence, at=truth.clock.now)
    return True


def _read_locked() -> tuple[AgentStatus, dict[str, Position]]:
    """Wait for the book and for the rows that a sync writes; return them as they are then."""
    waiting = Message()
    waiting.add(*locks.WAIT_FOR_BOOK)
    positions = Position.objects.select_for_update()
    read = read_together({"agent": agent_to_lock(), "positions": positions}, after=waiting)
    return read["agent"][0], {position.symbol: position for position in read["positions"]}


def _standing(truth: PortfolioTruth, world: str) -> dict[str, object]:
    """Return what the agent's row says of the account from now on."""
    account, clock = truth.account, truth.clock
    return {
        "positions_sequence": truth.sequence,
        "market_time": clock.now,
        "market_open": clock.is_open,
        "market_rate": clock.rate,
        "market_time_read_at": truth.asked_at,
        "positions_as_of": truth.asked_at,
        "account_id": account.account_id,
        "world": world,
        "daily_pnl": account.equity - account.last_equity,
    }


def _money(truth: PortfolioTruth, cycle_id: UUID | None) -> EquitySnapshot:
    account = truth.account
    return EquitySnapshot(
        cycle_id=cycle_id,
        equity=account.equity,
        session_start_equity=account.last_equity,
        cash=account.cash,
        buying_power=account.buying_power,
        market_time=truth.clock.now,
        source="broker_live",
        sync_sequence=truth.sequence,
    )


def _hand_over(truth: PortfolioTruth, message: Message) -> None:
    """Let go of what the positions now include, and of what ended unfilled and nobody compensated yet.

    What was filled of a symbol whose position could not be read is in no position: its room stays reserved. So does
    that of what was just bought, while the positions are behind.
    """
    message.update(*risk_book.forgetting_sync())
    held, now = {position.symbol: position.quantity for position in truth.positions}, timezone.now()
    released: dict[str, list[UUID]] = {}
    for order in truth.known:
        if order.symbol in truth.unread_symbols and order.filled_quantity > 0:
            continue
        if is_missing(
            side=order.side,
            filled=order.filled_quantity,
            ended_at=order.ended_at,
            held=held.get(order.symbol, Decimal(0)),
            now=now,
        ):
            continue
        if order.ended_as:
            reason = SYNCED if order.filled_quantity > 0 else f"order_{order.ended_as}"
            released.setdefault(reason, []).append(order.reservation_id)
        else:
            included = risk_book.including_in_sync(
                order.reservation_id, quantity=order.filled_quantity, in_buying_power=order.is_taken
            )
            message.update(*included)
    for reason, reservation_ids in released.items():
        message.update(*risk_book.releasing(reservation_ids, reason=reason))


def _require_same_account(agent: AgentStatus, account: Account, world: str) -> None:
    if agent.account_id and agent.account_id != account.account_id:
        raise WorldMismatchError(
            f"this database belongs to account {agent.account_id} ({agent.world}), the broker answered for"
            f" {account.account_id} ({world}): start with the settings it was made with, or set"
            " ORCHESTRATOR_HOME (or DATABASE_URL) to begin anew beside it"
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is held by symbol, and what was known and is told of those whose quantity has changed."""

    held: Mapping[str, BrokerPosition]
    splits: Sequence[tuple[Position, BrokerPosition]]


def _store_positions(
    truth: PortfolioTruth, before: Mapping[str, Position], cycle_id: UUID | None, message: Message
) -> _Stored:
    reported = {p.symbol: p for p in truth.positions if p.quantity != 0}
    unread = before.keys() & truth.unread_symbols
    if unread:  # as it was, its time too; what it is worth now nobody knows
        message.update(Position.objects.filter(pk__in=unread), {"market_value": None, "unrealised_pnl": None})
    moved, splits = {}, []
    for symbol in before.keys() - reported.keys() - unread:
        message.delete(Position.objects.filter(pk=symbol))
        moved[symbol] = _moved(symbol, "closed", before[symbol].quantity, Decimal(0))
    message.insert([_row(position, truth) for position in reported.values()], or_update=SYNCED_FIELDS)
    for symbol, position in reported.items():
        known = before.get(symbol)
        if known is None:
            moved[symbol] = _moved(symbol, "opened", Decimal(0), position.quantity)
        elif known.quantity != position.quantity:
            moved[symbol] = _moved(symbol, "changed", known.quantity, position.quantity)
            splits.append((known, position))
    transitions.append_events("position", moved, cycle_id=cycle_id, message=message)
    return _Stored(reported, splits)


def _split_prices(known: Position, position: BrokerPosition) -> None:
    """Bring the prices at which a position is to be sold to the other side of a split."""
    ratio = split_ratio(
        quantity=known.quantity,
        unit_cost=known.average_entry_price,
        quantity_after=position.quantity,
        unit_cost_after=position.average_entry_price,
    )
    if ratio is None:
        return
    changes: dict[str, object] = {"split_at": timezone.now()}
    if known.stop_price is not None:
        tick, target = tick_at(position.average_entry_price, is_coin=False), known.target_price
        changes |= {
            "stop_price": split_price(known.stop_price, ratio, tick=tick),
            "target_price": None if target is None else split_price(target, ratio, tick=tick, up=True),
            "highest_price": F("highest_price") / ratio,
        }
    Position.objects.filter(pk=known.pk).update(**changes)


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


def _moved(symbol: str, event: str, before: Decimal, after: Decimal) -> tuple[str, dict[str, str]]:
    payload = {"symbol": symbol, "from": str(before.normalize()), "to": str(after.normalize())}
    return f"position.{event}", payload
