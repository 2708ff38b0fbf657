"""The account and its positions, synced from the broker: its word replaces ours."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors.base import Account, BrokerPosition, MarketClock
from trading.errors import WorldMismatchError
from trading.models import AgentStatus, EquitySnapshot, Position
from trading.services import transitions
from trading.services.providers import Providers, current_providers


@dataclass(frozen=True, slots=True)
class PortfolioTruth:
    """What the broker said, and when we asked (wall time)."""

    asked_at: datetime
    account: Account
    clock: MarketClock
    positions: tuple[BrokerPosition, ...]


def sync_portfolio(cycle_id: UUID | None) -> PortfolioTruth:
    """Ask the broker for clock, account and positions and store them; return what it said.

    An answer older than what is stored already changes nothing.

    Raises:
        WorldMismatchError: it is another account than the one this database belongs to.
        ConnectorError: the broker did not answer; nothing was stored.
    """
    providers = current_providers()
    truth = _ask(providers)
    with transaction.atomic():
        agent = AgentStatus.objects.select_for_update().get(pk=1)
        _require_same_account(agent, truth.account, providers)
        if agent.positions_as_of is not None and agent.positions_as_of >= truth.asked_at:
            return truth  # a newer answer is stored: this one would give released room out twice
        agent.market_time, agent.market_open = truth.clock.now, truth.clock.is_open
        agent.market_time_read_at = agent.positions_as_of = truth.asked_at
        EquitySnapshot.objects.create(
            cycle_id=cycle_id,
            equity=truth.account.equity,
            session_start_equity=truth.account.last_equity,
            cash=truth.account.cash,
            buying_power=truth.account.buying_power,
            market_time=truth.clock.now,
            source="broker_live",
        )
        _store_positions(truth, cycle_id)
        agent.account_id = truth.account.account_id
        agent.world = providers.world
        agent.daily_pnl = truth.account.equity - truth.account.last_equity
        agent.position_count = Position.objects.count()
        agent.save()
    return truth


def _ask(providers: Providers) -> PortfolioTruth:
    asked_at = timezone.now()
    broker = providers.broker
    clock, account, positions = broker.clock(), broker.account(), broker.positions()
    return PortfolioTruth(asked_at, account, clock, tuple(positions))


def _require_same_account(agent: AgentStatus, account: Account, providers: Providers) -> None:
    if agent.account_id and agent.account_id != account.account_id:
        raise WorldMismatchError(
            f"this database belongs to account {agent.account_id} ({agent.world}), the broker answered for"
            f" {account.account_id} ({providers.world}): start with the settings it was made with, or set"
            " ORCHESTRATOR_HOME (or DATABASE_URL) to begin anew beside it"
        )


def _store_positions(truth: PortfolioTruth, cycle_id: UUID | None) -> None:
    before = {p.symbol: p for p in Position.objects.select_for_update()}
    told = {p.symbol: p for p in truth.positions if p.quantity != 0}
    for symbol in before.keys() - told.keys():
        before[symbol].delete()
        _append_position_event(symbol, "closed", before[symbol].quantity, Decimal(0), cycle_id)
    for symbol, position in told.items():
        known = before.get(symbol)
        Position.objects.update_or_create(
            symbol=symbol,
            defaults={
                "asset_class": position.asset_class,
                "quantity": position.quantity,
                "quantity_available": position.quantity_available,
                "average_entry_price": position.average_entry_price,
                "market_value": position.market_value,
                "unrealised_pnl": position.market_value - position.average_entry_price * position.quantity,
                "source": "broker_live",
                "opened_at": known.opened_at if known else truth.clock.now,
                "synced_at": truth.asked_at,
            },
        )
        if known is None:
            _append_position_event(symbol, "opened", Decimal(0), position.quantity, cycle_id)
        elif known.quantity != position.quantity:
            _append_position_event(symbol, "changed", known.quantity, position.quantity, cycle_id)


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
