"""What a cycle fetched, as the question a strategy puts to its models."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ai.domain.indicators import Indicators
from ai.domain.types import (
    AnalysisQuestion,
    HeadlineFact,
    HoldingFacts,
    PortfolioFacts,
    PositionFacts,
    SymbolFacts,
    VerdictFacts,
)
from connectors.keywords import matched
from risk.domain.numbers import HUNDRED, ZERO, share_percent
from trading.analysis.holdings import holding_of, last_verdicts
from trading.analysis.price_gaps import gaps_of
from trading.analysis.sealed_facts import sealed
from trading.core import settings
from trading.core.statements.together import first, read_together
from trading.domain.prices import Missing, NoPrice, age_problem
from trading.domain.symbols import is_coin
from trading.market.market_time import market_now, stocks_trade_now
from trading.market.price_facts import DayChange, day_changes
from trading.models import (
    AgentStatus,
    BarHistory,
    Cycle,
    DecisionRecord,
    EquitySnapshot,
    MarketSnapshot,
    Position,
    Strategy,
    Thesis,
)
from trading.protection.theses import open_theses_of


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a symbol was not put before the model."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What all strategies of a cycle see: read once, so that they see the same.

    ``now`` is market time, None where the broker's clock could not be read; ``skips`` names the symbols
    nobody is asked about; ``bars`` are the histories the indicators were computed from, as records, unsaved;
    ``changes`` has each snapshot's change of the day; ``theses`` are the open ones of what is held, ``verdicts`` the
    last decisions on it, the newest first.
    """

    cycle: Cycle
    agent: AgentStatus
    now: datetime | None
    snapshots: Mapping[str, MarketSnapshot]
    positions: Mapping[str, Position]
    money: EquitySnapshot | None
    skips: Mapping[str, Skip]
    bars: Mapping[str, DecisionRecord]
    changes: Mapping[str, DayChange]
    theses: Mapping[str, Sequence[Thesis]]
    verdicts: Mapping[str, Sequence[VerdictFacts]]

    @property
    def held(self) -> frozenset[str]:
        """The symbols with an open position."""
        return frozenset(self.positions)


def read_scene(cycle: Cycle) -> Scene:
    """Read what the cycle fetched and what the account holds."""
    snapshots = {row.symbol: row for row in MarketSnapshot.objects.filter(cycle=cycle)}
    read = read_together(
        {
            "agent": AgentStatus.objects.filter(pk=1),
            "positions": Position.objects.all(),
            "money": EquitySnapshot.objects.last_synced(),
        }
    )
    (agent,) = read["agent"]
    now = market_now(agent)
    stocks_trade = stocks_trade_now(agent)
    max_age = settings.seconds("price_max_age")
    skips = {}
    gaps = gaps_of(cycle.pk)
    for symbol in cycle.symbols:
        snapshot, gap = snapshots.get(symbol), gaps.get(symbol)
        skip = _skip(symbol, snapshot, gap, now, stocks_trade=stocks_trade, max_age=max_age)
        if skip is not None:
            skips[symbol] = skip
    histories = {row.symbol: row for row in BarHistory.objects.filter(symbol__in=snapshots)}
    positions = {position.symbol: position for position in read["positions"]}
    return Scene(
        cycle=cycle,
        agent=agent,
        now=now,
        snapshots=snapshots,
        positions=positions,
        money=first(read["money"]) or EquitySnapshot.objects.newest(),
        skips=skips,
        bars=_bars(snapshots, histories),
        changes=day_changes(snapshots.values(), histories),
        theses=open_theses_of(positions),
        verdicts=last_verdicts(positions),
    )


def question_for(strategy: Strategy, scene: Scene, symbols: Sequence[str]) -> AnalysisQuestion | None:
    """Return what the strategy asks about those of ``symbols`` that can be asked; None where none can."""
    asked = [symbol for symbol in symbols if symbol not in scene.skips]
    if not asked or scene.now is None:
        return None
    rows = scene.cycle.headlines
    return AnalysisQuestion(
        as_of=scene.now,
        strategy_name=strategy.name,
        instructions=strategy.instructions,
        portfolio=_portfolio(scene),
        symbols=tuple(
            _facts(
                scene.snapshots[symbol],
                scene.changes[symbol].percent,
                scene.positions.get(symbol),
                _headlines(row for row in rows if symbol in row["symbols"]),
                _holding(scene, symbol, scene.now),
            )
            for symbol in asked
        ),
        headlines=keyword_headlines(rows, strategy.keywords, frozenset(asked)),
    )


def _skip(
    symbol: str,
    snapshot: MarketSnapshot | None,
    gap: Missing | None,
    now: datetime | None,
    *,
    stocks_trade: bool | None,
    max_age: float,
) -> Skip | None:
    if not is_coin(symbol) and stocks_trade is False:
        return Skip("market_closed", "the stock market is closed")
    if now is None:
        return Skip(NoPrice.NO_CLOCK, "the broker's clock could not be read")
    if snapshot is None:
        return (
            Skip(gap.reason, gap.detail)
            if gap
            else Skip(NoPrice.NO_PRICE, "the fetch of its price had not ended when the analysis began")
        )
    problem = age_problem(snapshot.quoted_at, now, max_age)
    return Skip(NoPrice.STALE, f"the price of {snapshot.source} is {problem}") if problem else None


def _bars(
    snapshots: Mapping[str, MarketSnapshot], histories: Mapping[str, BarHistory]
) -> dict[str, DecisionRecord]:
    """Return the whole days that were known on each price's own day; today's figures are in the price."""
    return {
        row.symbol: sealed({"kind": "bars", "symbol": row.symbol, "bars": row.bars})
        for row in histories.values()
        if row.bars and row.market_date == snapshots[row.symbol].quoted_at.astimezone(UTC).date()
    }


def _portfolio(scene: Scene) -> PortfolioFacts:
    positions = [scene.positions[symbol] for symbol in sorted(scene.positions)]
    exposure = sum((position.exposure for position in positions), ZERO)
    equity = scene.money.equity if scene.money else ZERO
    return PortfolioFacts(
        equity=equity,
        cash=scene.money.cash if scene.money else ZERO,
        exposure_percent=share_percent(exposure, equity),
        position_count=len(positions),
        positions=tuple(
            PositionFacts(held.symbol, share_percent(held.exposure, equity), _profit_percent(held))
            for held in positions
        ),
    )


def _facts(
    snapshot: MarketSnapshot,
    change_percent: Decimal | None,
    position: Position | None,
    headlines: tuple[HeadlineFact, ...],
    holding: HoldingFacts | None,
) -> SymbolFacts:
    return SymbolFacts(
        symbol=snapshot.symbol,
        price=snapshot.price,
        change_percent=change_percent,
        indicators=Indicators.from_dict(snapshot.indicators) if snapshot.indicators else None,
        headlines=headlines,
        position_quantity=position.quantity if position else ZERO,
        unrealised_pnl_percent=_profit_percent(position) if position else None,
        quoted_at=snapshot.quoted_at,
        source=snapshot.source,
        holding=holding,
    )


def _holding(scene: Scene, symbol: str, now: datetime) -> HoldingFacts | None:
    position = scene.positions.get(symbol)
    if position is None:
        return None
    return holding_of(position, scene.theses.get(symbol, ()), scene.verdicts.get(symbol, ()), now=now)


def _profit_percent(position: Position) -> Decimal | None:
    cost = position.average_entry_price * position.quantity
    return position.unrealised_pnl / cost * HUNDRED if cost and position.unrealised_pnl is not None else None


def keyword_headlines(
    rows: Iterable[Mapping[str, Any]], keywords: Sequence[str], asked: frozenset[str]
) -> tuple[HeadlineFact, ...]:
    """Return a cycle's headlines with one of the keywords that are told with none of the symbols asked about."""
    return _headlines(_by_keyword(rows, keywords, asked))


def _by_keyword(
    rows: Iterable[Mapping[str, Any]], keywords: Sequence[str], asked: frozenset[str]
) -> Iterable[Mapping[str, Any]]:
    """Yield the headlines with one of the keywords that are told with none of the symbols.

    A source may have found a keyword in a summary, which is not kept: the row names it.
    """
    words = frozenset(keywords)
    for row in rows:
        has_one = words.intersection(row.get("keywords", ())) or matched(row["title"], keywords)
        if has_one and asked.isdisjoint(row["symbols"]):
            yield row


def _headlines(rows: Iterable[Mapping[str, Any]]) -> tuple[HeadlineFact, ...]:
    return tuple(
        HeadlineFact(
            title=row["title"], source=row["source"], published_at=datetime.fromisoformat(row["published_at"])
        )
        for row in rows
    )
