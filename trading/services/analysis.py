"""The cycle's analysis: what was fetched becomes a question, the answers become decisions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings as django_settings
from django.db import transaction
from django.utils import timezone

from ai.domain.indicators import Indicators
from ai.domain.types import AnalysisQuestion, HeadlineFact, PortfolioFacts, SymbolFacts
from ai.services import AnalysisResult, AnalysisSettings, analyse
from trading.domain.statuses import CycleStage, DecisionStatus
from trading.domain.symbols import is_coin
from trading.models import AIDecision, Cycle, EquitySnapshot, Event, MarketSnapshot, Position, Strategy
from trading.services import cycles, settings
from trading.services.market_time import market_now, stocks_trade_now

ANALYSIS_LEASE = timedelta(seconds=50)  # longer than the task's hard limit of 45 s
HUNDRED = Decimal(100)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a symbol was not put before the model."""

    reason: str
    detail: str


def analyse_cycle(cycle_id: UUID) -> list[UUID] | None:
    """Ask the model about what was fetched and store one decision per symbol and strategy.

    Returns:
        The decisions that want to trade; None when another process has the analysis or the cycle is over.
    """
    token = cycles.move_stage(
        cycle_id, to=CycleStage.ANALYSING, frm=[CycleStage.FETCHING], lease=ANALYSIS_LEASE
    )
    if token is None:
        return None
    cycle = Cycle.objects.get(pk=cycle_id)
    began = timezone.now()
    if cycle.cycle_type == Cycle.Type.ANALYSIS:
        rows = [row for strategy in Strategy.objects.filter(is_active=True) for row in _decide(cycle, strategy)]
    else:
        rows = []
    return _store(cycle, token, rows, began)


def _decide(cycle: Cycle, strategy: Strategy) -> Iterable[AIDecision]:
    snapshots = {s.symbol: s for s in MarketSnapshot.objects.filter(cycle=cycle)}
    now = market_now()
    skips = {symbol: skip for symbol in cycle.symbols if (skip := _skip(symbol, snapshots.get(symbol), now))}
    asked = [symbol for symbol in cycle.symbols if symbol not in skips]
    result = None
    if asked and now is not None:
        result = _ask(cycle, _question(cycle, strategy, [snapshots[s] for s in asked], now))
    for symbol in cycle.symbols:
        yield _decision(cycle, strategy, symbol, snapshots.get(symbol), skips.get(symbol), result)


def _skip(symbol: str, snapshot: MarketSnapshot | None, now: datetime | None) -> Skip | None:
    if now is None:
        return Skip("no_market_clock", "the broker's clock could not be read")
    if not is_coin(symbol) and not stocks_trade_now():
        return Skip("market_closed", "the stock market is closed")
    if snapshot is None:
        return Skip("no_price", "no provider had a positive price")
    age = (now - snapshot.quoted_at).total_seconds()
    if age > settings.seconds("price_max_age"):
        return Skip("stale_price", f"the price of {snapshot.source} is {age:.0f} s old")
    return None


def _ask(cycle: Cycle, question: AnalysisQuestion) -> AnalysisResult:
    environment = django_settings.ENVIRONMENT
    result = analyse(
        question=question,
        models=environment.ai_models,
        settings=AnalysisSettings(
            batch_size=settings.count("symbols_per_call"),
            concurrency=settings.count("model_concurrency"),
            deadline_seconds=settings.seconds("analysis_timeout"),
            api_base=environment.ai_api_base,
            api_key=environment.ai_api_key,
        ),
        cycle_id=cycle.pk,
    )
    if result.failed:
        cycles.record_error(cycle.pk, operation="analyse", error=RuntimeError(result.failure))
    return result


def _question(
    cycle: Cycle, strategy: Strategy, snapshots: Sequence[MarketSnapshot], as_of: datetime
) -> AnalysisQuestion:
    money = EquitySnapshot.objects.first()
    positions = {p.symbol: p for p in Position.objects.all()}
    exposure = sum((abs(p.market_value) for p in positions.values()), ZERO)
    equity = money.equity if money else ZERO
    return AnalysisQuestion(
        as_of=as_of,
        strategy_name=strategy.name,
        instructions=strategy.instructions,
        portfolio=PortfolioFacts(
            equity=equity,
            cash=money.cash if money else ZERO,
            exposure_percent=exposure / equity * HUNDRED if equity > 0 else ZERO,
            position_count=len(positions),
        ),
        symbols=tuple(
            _facts(snapshot, positions.get(snapshot.symbol), _headlines(cycle, snapshot.symbol))
            for snapshot in snapshots
        ),
    )


def _facts(
    snapshot: MarketSnapshot, position: Position | None, headlines: tuple[HeadlineFact, ...]
) -> SymbolFacts:
    previous = snapshot.previous_close
    cost = position.average_entry_price * position.quantity if position else ZERO
    return SymbolFacts(
        symbol=snapshot.symbol,
        price=snapshot.price,
        change_percent=(snapshot.price / previous - 1) * HUNDRED if previous else None,
        indicators=Indicators.from_dict(snapshot.indicators) if snapshot.indicators else None,
        headlines=headlines,
        position_quantity=position.quantity if position else ZERO,
        unrealised_pnl_percent=position.unrealised_pnl / cost * HUNDRED if position and cost else None,
        quoted_at=snapshot.quoted_at,
        source=snapshot.source,
    )


def _headlines(cycle: Cycle, symbol: str) -> tuple[HeadlineFact, ...]:
    return tuple(
        HeadlineFact(
            title=row["title"], source=row["source"], published_at=datetime.fromisoformat(row["published_at"])
        )
        for row in cycle.headlines
        if symbol in row["symbols"]
    )


def _decision(
    cycle: Cycle,
    strategy: Strategy,
    symbol: str,
    snapshot: MarketSnapshot | None,
    skip: Skip | None,
    result: AnalysisResult | None,
) -> AIDecision:
    """Return the row: a proposal that wants to trade is pending, everything else says why not."""
    row = AIDecision(
        cycle=cycle,
        strategy=strategy,
        symbol=symbol,
        action=AIDecision.Action.HOLD,
        confidence=ZERO,
        price=snapshot.price if snapshot else None,
    )
    proposal = result.proposals.get(symbol) if result else None
    if result is not None:
        row.model = result.models.get(symbol, "")
        row.model_call_id = result.calls.get(symbol)
    if skip is not None:
        return _unasked(row, skip)
    if result is None or proposal is None:
        held = result.holds.get(symbol) if result else None
        return _unasked(row, Skip(held.reason if held else "analysis_failed", held.detail if held else ""))
    row.action, row.confidence, row.reasoning = proposal.action, proposal.confidence, proposal.reasoning
    if proposal.action == AIDecision.Action.HOLD:
        row.status, row.reason, row.settled_at = DecisionStatus.HELD, "hold", timezone.now()
    elif proposal.action == AIDecision.Action.SELL and not Position.objects.filter(pk=symbol).exists():
        row.status, row.reason, row.settled_at = DecisionStatus.SKIPPED, "no_position", timezone.now()
    return row


def _unasked(row: AIDecision, skip: Skip) -> AIDecision:
    row.status, row.reason, row.reason_detail = DecisionStatus.SKIPPED, skip.reason, skip.detail[:500]
    row.settled_at = timezone.now()
    return row


def _store(
    cycle: Cycle, token: datetime, rows: Sequence[AIDecision], began: datetime
) -> list[UUID] | None:
    """Insert the decisions and move the cycle on, in one transaction; nothing if the claim was lost."""
    with transaction.atomic():
        mine = Cycle.objects.filter(pk=cycle.pk, status="running", stage=CycleStage.ANALYSING, lease_until=token)
        moved = mine.update(stage=CycleStage.EXECUTING, stage_at=timezone.now(), lease_until=None)
        if not moved:
            return None
        AIDecision.objects.bulk_create(rows)
        Event.objects.bulk_create(_created_event(row) for row in rows)
        if cycle.cycle_type == Cycle.Type.EXECUTION:
            return list(AIDecision.objects.approved_pending().values_list("pk", flat=True))
        cycles.record_step(cycle.pk, "analysis", **_summary(rows), seconds=_seconds(began))
    return [row.pk for row in rows if row.status == DecisionStatus.PENDING]


def _created_event(row: AIDecision) -> Event:
    return Event(
        aggregate_type="decision",
        aggregate_id=str(row.pk),
        sequence=1,
        type="decision.created",
        payload={"to": row.status, "symbol": row.symbol, "action": row.action, "reason": row.reason},
        cycle_id=row.cycle_id,
    )


def _summary(rows: Sequence[AIDecision]) -> Mapping[str, int]:
    counts = {"decisions": len(rows)}
    for row in rows:
        key = row.action if row.status in (DecisionStatus.PENDING, DecisionStatus.HELD) else row.status
        counts[str(key)] = counts.get(str(key), 0) + 1
    return counts


def _seconds(began: datetime) -> float:
    return round((timezone.now() - began).total_seconds(), 3)
