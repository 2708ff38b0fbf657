"""Our rows as the gate's input; what is missing or too old stays missing, and the gate denies."""

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from risk.domain.limits import StrategyLimits
from risk.domain.numbers import ZERO
from risk.domain.types import AssetRules, OrderIntent, RiskBook, SizingRule, TradingState
from risk.services import book as risk_book
from risk.services import switch
from trading.core import set_aside, settings
from trading.domain.ages import TOLERANCE, is_fresh
from trading.domain.order_ids import Purpose
from trading.domain.symbols import is_coin
from trading.market.market_time import fresh_reading, market_now, stocks_trade_now
from trading.market.price_facts import price_facts
from trading.models import (
    AgentStatus,
    AIDecision,
    Asset,
    EquitySnapshot,
    MarketSnapshot,
    Mode,
    Order,
    Position,
    Strategy,
)

EQUITY_MAX_AGE = timedelta(minutes=5)
STOCK_STEP = Decimal("0.000000001")
STOCK_MIN_NOTIONAL = Decimal(1)
COIN_MIN_NOTIONAL = Decimal(10)


def order_intent(decision: AIDecision, snapshot: MarketSnapshot | None) -> OrderIntent:
    """Return what the decision wants, priced by ``snapshot``.

    A person's approval lifts the threshold of confidence and what the mode asks for. Exits have a threshold of
    their own: whoever decides, a model or a publisher, must be sure of a sale too.
    """
    coin, now = is_coin(decision.symbol), market_now()
    return OrderIntent(
        symbol=decision.symbol,
        reducing=decision.action == AIDecision.Action.SELL,
        confidence=decision.confidence,
        min_confidence=_threshold(decision),
        size_percent=decision.strategy.size_percent,
        price=snapshot.price if snapshot else None,
        price_age_seconds=_price_age(snapshot),
        max_price_age_seconds=settings.seconds("price_max_age"),
        market_open=coin or stocks_trade_now() is True,  # not known is closed
        rules=_rules(Asset.objects.filter(pk=decision.symbol).first()),
        needs_person=needs_person(decision, AgentStatus.objects.get(pk=1).mode),
        sizing=SizingRule(decision.strategy.sizing),
        volatility_percent=_volatility(snapshot),
        price_facts=price_facts(snapshot, now) if snapshot and now else None,
    )


def _price_age(snapshot: MarketSnapshot | None) -> float | None:
    """Return how old a price is in seconds of market time: by its own time or since it was fetched, whichever is more.

    A market clock that went back makes old prices look young: they are no younger than their fetching. None where
    market time is not known, or the price was fetched before a clock stepped back.
    """
    market = fresh_reading()
    if snapshot is None or market is None:
        return None
    waited = timezone.now() - snapshot.fetched_at
    if waited < -TOLERANCE:
        return None
    reported, kept = market.now - snapshot.quoted_at, waited * market.rate
    return (kept if kept > abs(reported) else reported).total_seconds()


def _threshold(decision: AIDecision) -> Decimal:
    if decision.approved:
        return ZERO
    is_exit = decision.action == AIDecision.Action.SELL
    return settings.runtime_value("exit_confidence_threshold" if is_exit else "confidence_threshold")


def own_limits(strategy: Strategy) -> StrategyLimits:
    """Return the strategy's limits as they are now; the gate takes the tighter of these and the account's."""
    return StrategyLimits(
        version=strategy.version,
        max_position_percent=strategy.max_position_percent,
        max_exposure_percent=strategy.max_exposure_percent,
        max_positions=strategy.max_positions,
        max_daily_loss_percent=strategy.max_daily_loss_percent,
    )


def needs_person(decision: AIDecision, mode: str) -> bool:
    """Return whether the mode asks for a person's word on this decision and nobody has given it.

    In semi_auto what is sure enough waits, entries and exits (``semi_auto_exits``); the rest is the gate's to deny.
    What is no decision, a stop, the switch, a person, never comes by here.
    """
    if decision.approved or mode == Mode.AUTONOMOUS:
        return False
    if mode != Mode.SEMI_AUTO:
        return True
    is_exit = decision.action == AIDecision.Action.SELL
    if is_exit and settings.word("semi_auto_exits") == "send":
        return False
    return decision.confidence >= _threshold(decision)


def _volatility(snapshot: MarketSnapshot | None) -> Decimal | None:
    """Return the annualised volatility of the snapshot's bars in percent; None when it says none."""
    said = (snapshot.indicators or {}).get("volatility_percent") if snapshot else None
    return Decimal(str(said)) if isinstance(said, int | float) and not isinstance(said, bool) else None


def risk_book_for(symbol: str) -> RiskBook:
    """Read the account as the gate sees it; call while holding the book's lock.

    The position sync stores positions and hands their reservations over under the same lock, so each fill is
    in exactly one of both. Reservations are read first all the same: should a reservation end without the
    lock, its fill was synced before.
    """
    reserved = risk_book.read_reserved()
    agent = AgentStatus.objects.get(pk=1)
    money = EquitySnapshot.objects.newest()
    if money is not None and not is_fresh(money.created_at, timezone.now(), EQUITY_MAX_AGE):
        money = None
    positions = list(Position.objects.all())
    held = {p.symbol: p.quantity_available for p in positions}
    purposes = set(Order.objects.open().values_list("symbol", "purpose"))
    own = frozenset(name for name, purpose in purposes if purpose != Purpose.EXTERNAL)
    return RiskBook(
        switch_engaged=switch.is_engaged(),
        trading_state=TradingState(agent.trading_state),
        equity=money.equity if money else None,
        session_start_equity=money.session_start_equity if money else None,
        buying_power=money.buying_power if money else ZERO,
        exposures={p.symbol: p.exposure for p in positions},
        reserved=reserved.by_symbol,
        not_in_buying_power=reserved.not_in_buying_power,
        held_quantity=held.get(symbol, ZERO),
        pending_symbols=own | reserved.symbols,
        foreign_pending_symbols=frozenset(name for name, purpose in purposes if purpose == Purpose.EXTERNAL),
        unclear_symbols=set_aside.unclear_symbols()
        | frozenset(position.symbol for position in positions if position.market_value is None),
    )


def _rules(asset: Asset | None) -> AssetRules | None:
    if asset is None:
        return None
    coin = asset.asset_class == "crypto"
    return AssetRules(
        tradable=asset.tradable,
        fractionable=asset.fractionable or coin,
        quantity_step=asset.min_trade_increment or STOCK_STEP,
        min_quantity=asset.min_order_size or ZERO,
        min_notional=COIN_MIN_NOTIONAL if coin else STOCK_MIN_NOTIONAL,
    )
