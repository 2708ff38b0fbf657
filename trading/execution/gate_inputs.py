"""Our rows as the gate's input; what is missing or too old stays missing, and the gate denies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
from django.utils import timezone

from risk.domain.limits import StrategyLimits
from risk.domain.numbers import ZERO
from risk.domain.trust import Scope, TrustCurve, TrustMode
from risk.domain.trusted_gate import AppliedTrust, TrustTerms
from risk.domain.types import AssetRules, OrderIntent, RiskBook, SizingRule, TradingState
from risk.models import TrustCurve as TrustCurveRow
from risk.services import book as risk_book
from risk.services import switch
from risk.services.trust import curves, curves_of
from trading.core import set_aside, settings
from trading.core.statements.together import Unchanging, first, read_together
from trading.domain.ages import TOLERANCE, is_fresh
from trading.domain.guards import rules as guard_rules
from trading.domain.order_ids import PROTECTIVE, Purpose
from trading.domain.symbols import is_coin
from trading.errors import SettingError
from trading.guards import pause
from trading.guards.standing import NO_GUARDS, Guards, read_fall, read_guards
from trading.market.market_time import Reading, fresh_reading, stocks_trade_now
from trading.market.price_facts import PRICE_SETTINGS, Known, facts_of, latest_snapshots, read_known
from trading.models import (
    AgentStatus,
    AIDecision,
    Asset,
    BarHistory,
    EquitySnapshot,
    MarketSnapshot,
    Mode,
    Order,
    Position,
    Strategy,
    SymbolLock,
)
from trading.protection.coverage import coverage_of
from trading.protection.risk_at_stops import risk_at_stop, stop_share

log = structlog.get_logger(__name__)
EQUITY_MAX_AGE = timedelta(minutes=5)
OF_ORDERS = ("symbol", "purpose", "side", "quantity", "filled_quantity", "broker_order_id")  # what is asked
_ACCOUNT: Mapping[str, Unchanging] = {
    "reserved": Unchanging(risk_book.counting),
    "agent": Unchanging(lambda: AgentStatus.objects.filter(pk=1)),
    "positions": Unchanging(lambda: Position.objects.all()),
    "orders": Unchanging(lambda: Order.objects.open().order_by("created_at").only(*OF_ORDERS)),
    "engagement": Unchanging(switch.engagements),
    "unclear": Unchanging(set_aside.unclear_rows),
    "synced": Unchanging(lambda: EquitySnapshot.objects.last_synced()),
}
STOCK_STEP = Decimal("0.000000001")
STOCK_MIN_NOTIONAL = Decimal(1)
COIN_MIN_NOTIONAL = Decimal(10)
GATE_SETTINGS = (
    *PRICE_SETTINGS,
    *guard_rules.SETTINGS,
    "confidence_threshold",
    "exit_confidence_threshold",
    "saga_timeout",
    "trust_sizing",
    "trust_floor",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for every decision judged at one moment: the agent's row, the settings, and the two clocks.

    Args:
        values: ``GATE_SETTINGS`` by name.
        exits_wait: in semi_auto exits wait for a person's word as entries do.
        now: wall time; ``market`` market time and its rate, None where it is not known.
        stocks_trade: whether US stocks trade; what is not known is closed.
    """

    agent: AgentStatus
    values: settings.AsNeeded
    exits_wait: bool
    now: datetime
    market: Reading | None
    stocks_trade: bool


@dataclass(frozen=True, slots=True)
class Priced:
    """A symbol's latest price, None where there is none, and what was known before it; None: not read."""

    snapshot: MarketSnapshot | None = None
    known: Known | None = None


@dataclass(frozen=True, slots=True)
class AccountBook:
    """The account as the gate sees it, for orders in any symbol."""

    agent: AgentStatus
    book: RiskBook
    positions: Mapping[str, Position]
    stopped: Mapping[str, Decimal] = field(default_factory=dict)

    def held(self, symbol: str) -> Decimal:
        """Return what of the symbol may be sold, base units: what our own stops hold is taken from them first."""
        position = self.positions.get(symbol)
        if position is None:
            return ZERO
        return min(position.quantity, position.quantity_available + self.stopped.get(symbol, ZERO))


def read_standing(agent: AgentStatus | None = None) -> Standing:
    """Read what holds for every decision now; of a mode that was set since the gate is told the new one.

    Args:
        agent: its row where the caller has just read it.
    """
    agent = agent or AgentStatus.objects.get(pk=1)
    semi_auto = agent.mode == Mode.SEMI_AUTO
    return Standing(
        agent=agent,
        values=settings.AsNeeded(*GATE_SETTINGS),
        exits_wait=not semi_auto or _exits_wait(),
        now=timezone.now(),
        market=fresh_reading(agent),
        stocks_trade=stocks_trade_now(agent) is True,
    )


def _exits_wait() -> bool:
    """Return whether exits wait for a person in semi_auto; what cannot be read asks one."""
    try:
        return settings.word("semi_auto_exits") != "send"
    except SettingError as error:
        log.error("exits_ask_a_person", reason=str(error))
        return True


def read_priced(
    symbols: Collection[str], standing: Standing, bars: Mapping[str, BarHistory] | None = None
) -> dict[str, Priced]:
    """Read the latest price of each symbol and what it is held against; before the book's lock, for it takes long.

    ``bars``: where the caller has just read them.
    """
    snapshots = latest_snapshots(symbols, standing.agent, standing.values)
    known = read_known(list(snapshots.values()), bars)
    return {symbol: Priced(snapshots.get(symbol), known.get(symbol)) for symbol in symbols}


def order_intent(
    decision: AIDecision, snapshot: MarketSnapshot | None, *, guards: Guards = NO_GUARDS
) -> OrderIntent:
    """Return what the decision wants, priced by ``snapshot``, for who asks what the gate would say of it."""
    known = read_known([snapshot])[snapshot.symbol] if snapshot else None
    asset = Asset.objects.filter(pk=decision.symbol).first()
    return intent_of(decision, Priced(snapshot, known), read_standing(), asset, guards)


def intent_of(
    decision: AIDecision, priced: Priced, standing: Standing, asset: Asset | None, guards: Guards
) -> OrderIntent:
    """Return what the decision wants, of what has been read.

    A person's approval lifts the threshold of confidence and what the mode asks for, and of a sale the minimum hold.
    Exits have a threshold of their own: whoever decides, a model or a publisher, must be sure of a sale too.
    """
    is_exit = decision.action == AIDecision.Action.SELL
    snapshot, known, market = priced.snapshot, priced.known, standing.market
    facts = facts_of(snapshot, known, market.now, standing.values) if snapshot and known and market else None
    return OrderIntent(
        symbol=decision.symbol,
        reducing=is_exit,
        confidence=decision.confidence,
        min_confidence=_threshold(decision, standing),
        size_percent=decision.strategy.size_percent,
        price=snapshot.price if snapshot else None,
        price_age_seconds=_price_age(snapshot, standing),
        max_price_age_seconds=float(standing.values["price_max_age"]),
        market_open=is_coin(decision.symbol) or standing.stocks_trade,
        rules=rules_of(asset, in_fractions=is_exit or decision.strategy.allows_fractions),
        needs_person=needs_person(decision, standing),
        sizing=SizingRule(decision.strategy.sizing),
        volatility_percent=_volatility(snapshot),
        price_facts=facts,
        stop_share=stop_share(decision, snapshot.price) if snapshot else None,
        block=None if is_exit and decision.approved else guards.block_of(decision.symbol, is_exit=is_exit),
    )


def _price_age(snapshot: MarketSnapshot | None, standing: Standing) -> float | None:
    """Return how old a price is in seconds of market time: by its own time or since it was fetched, whichever is more.

    A market clock that went back makes old prices look young: they are no younger than their fetching. None where
    market time is not known, or the price was fetched before a clock stepped back.
    """
    market = standing.market
    if snapshot is None or market is None:
        return None
    waited = standing.now - snapshot.fetched_at
    if waited < -TOLERANCE:
        return None
    reported, kept = market.now - snapshot.quoted_at, waited * market.rate
    return (kept if kept > abs(reported) else reported).total_seconds()


def _threshold(decision: AIDecision, standing: Standing) -> Decimal:
    if decision.approved:
        return ZERO
    is_exit = decision.action == AIDecision.Action.SELL
    return standing.values["exit_confidence_threshold" if is_exit else "confidence_threshold"]


def own_limits(strategy: Strategy) -> StrategyLimits:
    """Return the strategy's limits as they are now; the gate takes the tighter of these and the account's."""
    return StrategyLimits(
        version=strategy.version,
        max_position_percent=strategy.max_position_percent,
        max_exposure_percent=strategy.max_exposure_percent,
        max_positions=strategy.max_positions,
        max_daily_loss_percent=strategy.max_daily_loss_percent,
    )


def read_curves(
    values: settings.AsNeeded, rows: Sequence[TrustCurveRow] | None = None
) -> tuple[TrustCurve, ...]:
    """Read the trust curves in force (``rows``: already read); none where trust is off, for nobody asks then."""
    try:
        if values.word("trust_sizing") == TrustMode.OFF:
            return ()
    except SettingError:  # it may be put right until it is needed, and says so there
        pass
    return curves() if rows is None else curves_of(rows)


def trust_terms(standing: Standing, known: tuple[TrustCurve, ...]) -> TrustTerms:
    """Return what trust holds for every entry judged now.

    Args:
        known: the curves in force (``read_curves``); what is missing among them has the floor.

    Raises:
        SettingError: what is stored of its settings cannot be read.
    """
    return TrustTerms(
        mode=TrustMode(standing.values.word("trust_sizing")),
        floor=standing.values["trust_floor"],
        curves=known,
        now=standing.market.now if standing.market else None,
    )


def trust_of(decision: AIDecision, standing: Standing, known: tuple[TrustCurve, ...]) -> AppliedTrust | None:
    """Return what an entry's confidence has earned, whoever approved it; of an exit nothing is asked.

    Raises:
        SettingError: what is stored of trust's settings cannot be read.
    """
    if decision.action == AIDecision.Action.SELL:
        return None
    return trust_terms(standing, known).applied(decision.confidence, scope_of(decision))


def scope_of(decision: AIDecision) -> Scope:
    """Return whose decision it is, as trust curves name it; read it with its ``model_call``."""
    call = decision.model_call
    return Scope(
        decision.model,
        str(decision.strategy_id),
        call.prompt_version if call else "",
        call.answered_model if call else "",
    )


def needs_person(decision: AIDecision, standing: Standing) -> bool:
    """Return whether the mode asks for a person's word on this decision and nobody has given it.

    In semi_auto what is sure enough waits, entries and exits (``semi_auto_exits``); the rest is the gate's to deny.
    What is no decision, a stop, the switch, a person, never comes by here.
    """
    mode = standing.agent.mode
    if decision.approved or mode == Mode.AUTONOMOUS:
        return False
    if mode != Mode.SEMI_AUTO:
        return True
    if decision.action == AIDecision.Action.SELL and not standing.exits_wait:
        return False
    return decision.confidence >= _threshold(decision, standing)


def _volatility(snapshot: MarketSnapshot | None) -> Decimal | None:
    """Return the annualised volatility of the snapshot's bars in percent; None when it says none."""
    said = (snapshot.indicators or {}).get("volatility_percent") if snapshot else None
    return Decimal(str(said)) if isinstance(said, int | float) and not isinstance(said, bool) else None


def risk_book_for(symbol: str) -> RiskBook:
    """Read the account as the gate sees it for an order in the symbol; see ``read_account``."""
    account = read_account()
    return replace(account.book, held_quantity=account.held(symbol))


def read_account() -> AccountBook:
    """Read the account as the gate sees it; call while holding the book's lock.

    The position sync stores positions and hands their reservations over under the same lock, so each fill is
    in exactly one of both. All is read at one moment: should a reservation end without the lock, its fill was
    synced before.
    """
    read = read_together(account_selects())
    return account_of(read, first(read["synced"]) or EquitySnapshot.objects.newest())


def account_selects() -> Mapping[str, Unchanging]:
    """Return what ``account_of`` is made of; ``synced`` is its money where a sync has stored it."""
    return _ACCOUNT


def account_of(read: Mapping[str, Sequence[Any]], money: EquitySnapshot | None) -> AccountBook:
    """Return the account by the rows of ``account_selects``, and ``money`` as last synced: too old is not known."""
    reserved, positions = risk_book.reserved_of(read["reserved"]), read["positions"]
    (agent,) = read["agent"]
    if money is not None and not is_fresh(money.created_at, timezone.now(), EQUITY_MAX_AGE):
        money = None
    protecting = [order for order in read["orders"] if order.purpose in PROTECTIVE]
    purposes = {(order.symbol, order.purpose) for order in read["orders"] if order.purpose not in PROTECTIVE}
    own = frozenset(name for name, purpose in purposes if purpose != Purpose.EXTERNAL)
    book = RiskBook(
        switch_engaged=bool(read["engagement"]),
        trading_state=TradingState(agent.trading_state),
        equity=money.equity if money else None,
        session_start_equity=money.session_start_equity if money else None,
        buying_power=money.buying_power if money else ZERO,
        exposures={p.symbol: p.exposure for p in positions},
        reserved=reserved.by_symbol,
        open_risk=_open_risk(positions, reserved.risk_by_symbol),
        not_in_buying_power=reserved.not_in_buying_power,
        pending_symbols=own | reserved.symbols,
        foreign_pending_symbols=frozenset(name for name, purpose in purposes if purpose == Purpose.EXTERNAL),
        unclear_symbols=frozenset(row.symbol for row in read["unclear"])
        | frozenset(position.symbol for position in positions if position.market_value is None),
        entries_paused=pause_words(agent),
    )
    stopped = {symbol: coverage.stopped() for symbol, coverage in coverage_of(protecting).items()}
    return AccountBook(agent, book, {position.symbol: position for position in positions}, stopped)


def _open_risk(positions: Collection[Position], reserved: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what is lost where stops sell, in USD by symbol: of what is held, and of entries under way."""
    held = {position.symbol: risk_at_stop(position) for position in positions}
    return {
        symbol: held.get(symbol, ZERO) + reserved.get(symbol, ZERO)
        for symbol in held.keys() | reserved.keys()
    }


def guards_before_the_lock(standing: Standing, locks: Sequence[SymbolLock] | None = None) -> Guards:
    """Return what the guards block, for who asks before the gate does: under its lock the gate reads it again.

    ``locks``: those on symbols that nobody has ended, where the caller has just read them.
    """
    values, market = standing.values, standing.market
    return read_guards(values, market, read_fall(values, market), locks)


def pause_words(agent: AgentStatus) -> str | None:
    """Return who paused entries, when and why, in words; None: nobody has."""
    said = pause.entries_pause(agent)
    return (
        f"paused by {said.author} at {said.since:%Y-%m-%d %H:%M:%S} UTC: {said.reason}"
        if said.since
        else None
    )


def rules_of(asset: Asset | None, *, in_fractions: bool = True) -> AssetRules | None:
    """Return the sizes the asset allows; None where it is not known.

    Args:
        in_fractions: whether fractions of shares are wanted: the broker holds stops and targets for whole ones alone.
    """
    if asset is None:
        return None
    coin = asset.asset_class == "crypto"
    return AssetRules(
        tradable=asset.tradable,
        fractionable=coin or (asset.fractionable and in_fractions),
        quantity_step=asset.min_trade_increment or STOCK_STEP,
        min_quantity=asset.min_order_size or ZERO,
        min_notional=COIN_MIN_NOTIONAL if coin else STOCK_MIN_NOTIONAL,
    )
