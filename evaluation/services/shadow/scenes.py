"""What of a cycle a shadow strategy sees: what those that trade were shown, with its own book for the account's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

from ai.domain.types import (
    AnalysisQuestion,
    HoldingFacts,
    PortfolioFacts,
    PositionFacts,
    ProtectionFacts,
    SymbolFacts,
    ThesisFacts,
    VerdictFacts,
)
from evaluation.domain.shadow_book import Priced
from evaluation.domain.shadow_exits import Entry
from evaluation.domain.shadow_state import Market, ShadowState
from evaluation.services.replay.sources import bodies_of
from risk.domain.numbers import HUNDRED, ZERO, share_percent
from trading.analysis.decision_records import read_record
from trading.analysis.model_questions import keyword_headlines
from trading.analysis.strategies import symbols_of
from trading.domain.protection.horizons import sessions_held, sessions_left
from trading.domain.symbols import is_coin
from trading.models import AIDecision, Asset, BarHistory, Cycle, MarketSnapshot, Position, Strategy


@dataclass(frozen=True, slots=True)
class SeenCycle:
    """A cycle as it is on record.

    Args:
        as_of: market time of the questions.
        facts: of every symbol that anybody was asked about, with the name of the record that holds it.
        account_equity: what the account was worth to those that trade, USD.
    """

    cycle: Cycle
    as_of: datetime
    facts: Mapping[str, tuple[SymbolFacts, str]]
    account_equity: Decimal


def seen_in(cycle: Cycle) -> SeenCycle | None:
    """Return what a cycle's questions said; None where nobody was asked, or it is forgotten."""
    rows = AIDecision.objects.filter(cycle=cycle, record__isnull=False)
    names = sorted(set(rows.values_list("record_id", flat=True)))
    facts: dict[str, tuple[SymbolFacts, str]] = {}
    as_of, equity = None, ZERO
    for name, body in sorted(bodies_of([name for name in names if name]).items()):
        question = read_record(body).question
        as_of, equity = question.as_of, question.portfolio.equity
        for each in question.symbols:
            facts.setdefault(each.symbol, (each, name))
    return None if as_of is None else SeenCycle(cycle, as_of, facts, equity)


def market_of(cycle: Cycle, now: datetime, symbols: Iterable[str]) -> Market:
    """Return what the cycle's market says of what is held and waits."""
    wanted = sorted(set(symbols))
    snapshots = MarketSnapshot.objects.filter(cycle=cycle, symbol__in=wanted)
    listed = Asset.objects.filter(symbol__in=wanted, tradable=True).values_list("symbol", flat=True)
    return Market(
        now=now,
        prices={row.symbol: Priced(row.price, row.quoted_at) for row in snapshots},
        closes=closes_of(wanted, now),
        listed=frozenset(listed),
    )


def question_of(strategy: Strategy, seen: SeenCycle, state: ShadowState) -> AnalysisQuestion | None:
    """Return what the strategy is asked: as those that trade were, but for itself and what it holds; None: nothing."""
    known = [symbol for symbol in seen.cycle.symbols if symbol in seen.facts]
    looked_at = set(symbols_of(strategy, known))
    asked = [symbol for symbol in known if symbol in looked_at or symbol in state.book.holdings]
    if not asked:
        return None
    return AnalysisQuestion(
        as_of=seen.as_of,
        strategy_name=strategy.name,
        instructions=strategy.instructions,
        portfolio=_portfolio(state),
        symbols=tuple(_facts(seen.facts[symbol][0], state, strategy, seen.as_of) for symbol in asked),
        headlines=keyword_headlines(seen.cycle.headlines, strategy.keywords, frozenset(asked)),
    )


def closes_of(symbols: Iterable[str], now: datetime) -> dict[str, list[tuple[date, Decimal]]]:
    """Return the whole days that are known of the day at hand; of another day's nothing, for it knows too much."""
    rows = BarHistory.objects.filter(symbol__in=sorted(symbols), market_date=now.astimezone(UTC).date())
    return {
        row.symbol: [(datetime.fromisoformat(bar[0]).date(), Decimal(bar[4])) for bar in row.bars]
        for row in rows
    }


def _portfolio(state: ShadowState) -> PortfolioFacts:
    exposures, equity = state.book.exposures(state.prices), state.equity
    positions = tuple(
        PositionFacts(symbol, share_percent(exposures[symbol], equity), _profit_percent(symbol, state))
        for symbol in sorted(exposures)
    )
    exposure = share_percent(sum(exposures.values(), ZERO), equity)
    return PortfolioFacts(equity, state.book.cash, exposure, len(positions), positions)


def _facts(facts: SymbolFacts, state: ShadowState, strategy: Strategy, now: datetime) -> SymbolFacts:
    symbol = facts.symbol
    if symbol not in state.book.holdings:
        return replace(facts, position_quantity=ZERO, unrealised_pnl_percent=None, holding=None)
    return replace(
        facts,
        position_quantity=state.book.held(symbol),
        unrealised_pnl_percent=_profit_percent(symbol, state),
        holding=_holding(symbol, state, strategy, now),
    )


def _holding(symbol: str, state: ShadowState, strategy: Strategy, now: datetime) -> HoldingFacts:
    held, watched = state.book.holdings[symbol], state.watched.get(symbol)
    entries = watched.entries if watched else ()
    protection = None
    if watched is not None:
        by = Position.ProtectedBy.SOFTWARE.value
        protection = ProtectionFacts(by, watched.stop_price, watched.target_price)
    return HoldingFacts(
        entered_at=entries[0].opened_at if entries else now,
        entry_price=held.cost / held.quantity,
        theses=tuple(_thesis(entry, symbol, strategy, now) for entry in reversed(entries)),
        verdicts=tuple(
            VerdictFacts(each.action, each.confidence, each.as_of) for each in state.verdicts.get(symbol, ())
        ),
        protection=protection,
    )


def _thesis(entry: Entry, symbol: str, strategy: Strategy, now: datetime) -> ThesisFacts:
    held = sessions_held(entry.opened_at, now, is_coin=is_coin(symbol))
    return ThesisFacts(
        strategy=strategy.name,
        opened_at=entry.opened_at,
        entry_price=entry.price,
        reasoning=entry.reasoning,
        invalidation=entry.invalidation,
        stop_price=entry.stop_price,
        target_price=entry.target_price,
        horizon_sessions=entry.sessions,
        sessions_left=sessions_left(entry.sessions, held),
    )


def _profit_percent(symbol: str, state: ShadowState) -> Decimal | None:
    cost = state.book.holdings[symbol].cost
    return (state.book.exposures(state.prices)[symbol] - cost) / cost * HUNDRED if cost else None
