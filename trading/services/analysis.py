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
from ai.domain.types import (
    Action,
    AnalysisQuestion,
    HeadlineFact,
    HoldReason,
    PortfolioFacts,
    SymbolFacts,
)
from ai.models import ModelCall
from ai.services import AnalysisResult, AnalysisSettings, analyse
from trading.domain.prices import Missing
from trading.domain.statuses import CycleStage, DecisionStatus
from trading.domain.symbols import is_coin
from trading.models import AIDecision, Cycle, EquitySnapshot, Event, MarketSnapshot, Position, Strategy
from trading.services import cycles, settings
from trading.services.gaps import gaps_of
from trading.services.market_time import market_now, stocks_trade_now

ANALYSIS_LEASE = timedelta(seconds=50)  # longer than the task's hard limit of 45 s
NONSENSE = (HoldReason.INVALID_ANSWER, HoldReason.DUPLICATE_ANSWER, HoldReason.UNKNOWN_SYMBOL)
NONSENSE_SHOWN = 10
HUNDRED = Decimal(100)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a symbol was not put before the model."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back, with the calls it came from; no result where nothing could be asked."""

    result: AnalysisResult | None
    calls: Mapping[UUID, ModelCall]


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
        rows = [
            row for strategy in Strategy.objects.filter(is_active=True) for row in _decide(cycle, strategy)
        ]
    else:
        rows = []
    return _store(cycle, token, rows, began)


def _decide(cycle: Cycle, strategy: Strategy) -> Iterable[AIDecision]:
    snapshots = {s.symbol: s for s in MarketSnapshot.objects.filter(cycle=cycle)}
    now = market_now()
    gaps = gaps_of(cycle.pk)
    skips = {
        symbol: skip
        for symbol in cycle.symbols
        if (skip := _skip(symbol, snapshots.get(symbol), now, gaps.get(symbol)))
    }
    asked = [symbol for symbol in cycle.symbols if symbol not in skips]
    answers = Answers(None, {})
    if asked and now is not None:
        result = _ask(cycle, _question(cycle, strategy, [snapshots[s] for s in asked], now))
        answers = Answers(result, ModelCall.objects.in_bulk(set(result.call_ids.values())))
    held = frozenset(Position.objects.values_list("symbol", flat=True))
    for symbol in cycle.symbols:
        row = AIDecision(cycle=cycle, strategy=strategy, symbol=symbol, action="hold", confidence=ZERO)
        if symbol in snapshots:
            row.price, row.price_warning = snapshots[symbol].price, snapshots[symbol].warning
        _fill_in(row, skips.get(symbol), answers, is_held=symbol in held)
        yield row


def _skip(
    symbol: str, snapshot: MarketSnapshot | None, now: datetime | None, gap: Missing | None
) -> Skip | None:
    if now is None:
        return Skip("no_market_clock", "the broker's clock could not be read")
    if not is_coin(symbol) and not stocks_trade_now():
        return Skip("market_closed", "the stock market is closed")
    if snapshot is None:
        return Skip(gap.reason, gap.detail) if gap else Skip("no_price", "no provider had a positive price")
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
            daily_budget_usd=environment.ai_daily_budget_usd,
        ),
        cycle_id=cycle.pk,
    )
    for warning in result.warnings:
        cycles.record_warning(cycle.pk, operation="analyse", message=warning)
    if result.failed:
        cycles.record_error(cycle.pk, operation="analyse", error=RuntimeError(result.failure))
    odd = [f"{s}: {hold.detail}" for s, hold in result.holds.items() if hold.reason in NONSENSE]
    for line in odd[:NONSENSE_SHOWN]:
        cycles.record_warning(cycle.pk, operation="analyse", message=f"hold, no usable answer for {line}")
    if len(odd) > NONSENSE_SHOWN:
        rest = f"no usable answer for {len(odd) - NONSENSE_SHOWN} more symbols, see their decisions"
        cycles.record_warning(cycle.pk, operation="analyse", message=rest)
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


def _fill_in(row: AIDecision, skip: Skip | None, answers: Answers, *, is_held: bool) -> None:
    """Write the outcome: a proposal that wants to trade stays pending, everything else says why not."""
    result, symbol = answers.result, row.symbol
    if skip is None and result is not None:
        row.model_call = answers.calls.get(result.call_ids[symbol]) if symbol in result.call_ids else None
        row.model = row.model_call.model if row.model_call else ""
    if skip is not None or result is None:
        _not_traded(row, DecisionStatus.SKIPPED, skip or Skip("analysis_failed", "nothing was asked"))
        return
    proposal = result.proposals.get(symbol)
    if proposal is None:
        hold = result.holds[symbol]
        _not_traded(row, DecisionStatus.HELD, Skip(hold.reason, hold.detail))
        return
    row.action, row.confidence, row.reasoning = proposal.action, proposal.confidence, proposal.reasoning
    if proposal.action is Action.HOLD:
        _not_traded(row, DecisionStatus.HELD, Skip("hold", ""))
    elif proposal.action is Action.SELL and not is_held:
        _not_traded(row, DecisionStatus.SKIPPED, Skip("no_position", "there is nothing to sell"))


def _not_traded(row: AIDecision, status: DecisionStatus, why: Skip) -> None:
    row.status, row.reason, row.reason_detail = status, why.reason, why.detail[:500]
    row.settled_at = timezone.now()


def _store(cycle: Cycle, token: datetime, rows: Sequence[AIDecision], began: datetime) -> list[UUID] | None:
    """Insert the decisions and move the cycle on, in one transaction; nothing if the claim was lost."""
    with transaction.atomic():
        mine = Cycle.objects.filter(
            pk=cycle.pk, status="running", stage=CycleStage.ANALYSING, lease_until=token
        )
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
