"""What a shadow strategy decides on a cycle: asked, judged, and put to wait for the next cycle's prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from uuid6 import uuid7

from ai.domain.prompt import PROMPT_VERSION
from ai.domain.types import Action, AnalysisQuestion, Proposal, SymbolFacts
from evaluation.domain.shadow_book import Accepted
from evaluation.domain.shadow_exits import PlannedExit
from evaluation.domain.shadow_state import Market, ShadowState, Verdict, placed
from evaluation.models import ShadowDecision
from evaluation.services.replay.regating import Proposed, atr_of, rules_in, scenes_of
from evaluation.services.replay.sources import RecordedVerdict, Source
from evaluation.services.shadow import asking
from evaluation.services.shadow.asking import Answer, Said
from evaluation.services.shadow.judging import judged
from evaluation.services.shadow.ledger import plan_to_json
from evaluation.services.shadow.scenes import SeenCycle, closes_of, question_of
from risk.domain.numbers import ZERO
from risk.domain.trust import Scope
from trading.analysis.strategies import content_of
from trading.domain.protection.plans import (
    ExitProposal,
    ExitRules,
    clamped,
    stop_percent_of,
    target_percent_of,
)
from trading.models import AgentStatus, Strategy

VERDICTS = 3
REASONING_KEPT = 4000
NO_GATE = "what the gate stood on in its cycle is not on record"


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a cycle: the state with what waits, the decisions (unsaved), and what was not answered."""

    state: ShadowState
    rows: Sequence[ShadowDecision] = ()
    answer: Answer = field(default_factory=Answer)
    symbols: int = 0
    problem: str = ""


def decide(strategy: Strategy, seen: SeenCycle, state: ShadowState, market: Market) -> Decided:
    """Ask the strategy about a cycle, judge what it wants, and have wait what passes."""
    question = question_of(strategy, seen, state)
    if question is None:
        return Decided(state, problem="nobody was asked about what it looks at")
    answer = asking.ask(strategy, question)
    decided_at = seen.as_of + _market_time_of(answer.latency_ms)
    rows = [
        _row(strategy, seen, said, decided_at)
        for said in answer.said.values()
        if said.proposal.action is not Action.HOLD
    ]
    scene = scenes_of([seen.cycle.pk]).get(seen.cycle.pk)
    unanswered = len(question.symbols) - len(answer.said)
    problem = ""
    if unanswered:
        why = answer.problems[0] if answer.problems else "left out of the answer"
        problem = f"{unanswered} of {len(question.symbols)} symbols: {why}"
    if scene is None:
        return Decided(state, (), answer, len(question.symbols), problem or NO_GATE)
    facts = {symbol: each for symbol, (each, _) in seen.facts.items()}
    proposed = [_proposed(row, strategy, answer.said[row.symbol]) for row in rows]
    prices = {symbol: each.price for symbol, each in facts.items()}
    verdicts = judged(scene, state, proposed, prices)
    orders = [
        order
        for row in rows
        if (order := _told(row, verdicts[row.id], strategy, answer.said[row.symbol], facts[row.symbol]))
    ]
    new = closes_of((order.symbol for order, _ in orders), seen.as_of)
    market = replace(market, closes={**market.closes, **new})
    state = replace(placed(state, orders, market), verdicts=_verdicts(state, question, answer))
    return Decided(state, rows, answer, len(question.symbols), problem)


def _row(strategy: Strategy, seen: SeenCycle, said: Said, decided_at: datetime) -> ShadowDecision:
    proposal, (facts, record) = said.proposal, seen.facts[said.proposal.symbol]
    return ShadowDecision(
        id=uuid7(),
        cycle_id=seen.cycle.pk,
        strategy_version=strategy.version,
        symbol=proposal.symbol,
        action=proposal.action.value,
        confidence=proposal.confidence,
        reasoning=proposal.reasoning[:REASONING_KEPT],
        model=said.model,
        prompt_version=PROMPT_VERSION,
        as_of=seen.as_of,
        decided_at=decided_at,
        price=facts.price,
        quantity=ZERO,
        record=record,
        request_hash=said.request_hash,
    )


def _proposed(row: ShadowDecision, strategy: Strategy, said: Said) -> Proposed:
    source = Source(
        id=row.id,
        cycle_id=row.cycle_id,
        symbol=row.symbol,
        as_of=row.as_of,
        action=row.action,
        confidence=str(row.confidence),
        reasoning=row.reasoning,
        price=str(row.price),
        status="",
        reason="",
        approved=False,
        strategy=strategy.name,
        strategy_version=strategy.version,
        model=row.model,
        stop_percent=None,
        target_percent=None,
        horizon_sessions=None,
        record=row.record,
        call=None,
        verdict=None,
        strategy_id=str(strategy.pk),
        prompt_version=row.prompt_version,
        answered_model=said.answered_model,
    )
    scope = Scope(row.model, source.strategy_id, source.prompt_version, source.answered_model)
    return Proposed(source, row.action, row.confidence, row.reasoning, said.proposal.exit, scope)


def _told(
    row: ShadowDecision, verdict: RecordedVerdict, strategy: Strategy, said: Said, facts: SymbolFacts
) -> tuple[Accepted, PlannedExit | None] | None:
    """Write the gate's answer into the row; return the order that waits where it let one through."""
    row.quantity, row.figures = Decimal(verdict.quantity), dict(verdict.figures)
    if not verdict.allowed:
        row.status, row.reason = ShadowDecision.Status.DENIED, verdict.reason
        return None
    row.status = ShadowDecision.Status.WAITING
    plan = None
    if row.action == "buy":
        plan = _plan(rules_in(content_of(strategy)), said.proposal, facts)
        row.exit = plan_to_json(plan)
    return Accepted(str(row.id), row.symbol, row.action, row.quantity, row.decided_at), plan


def _plan(rules: ExitRules, proposal: Proposal, facts: SymbolFacts) -> PlannedExit:
    said = proposal.exit
    kept, _ = clamped(rules, ExitProposal(said.stop_percent, said.target_percent, said.horizon_sessions))
    atr = atr_of(rules, facts, facts.price)
    stop = stop_percent_of(rules, entry_price=facts.price, atr=atr, proposal=kept)
    sessions = [each for each in (kept.horizon_sessions, rules.time_stop_sessions) if each is not None]
    return PlannedExit(
        stop_percent=stop,
        target_percent=target_percent_of(rules, stop_percent=stop, proposal=kept),
        trailing_percent=rules.trailing_percent,
        sessions=min(map(int, sessions), default=None),
        tightest_percent=rules.tightest,
        widest_percent=rules.widest,
        reasoning=proposal.reasoning[:REASONING_KEPT],
        invalidation=said.invalidation,
    )


def _verdicts(
    state: ShadowState, question: AnalysisQuestion, answer: Answer
) -> Mapping[str, tuple[Verdict, ...]]:
    """Return the last verdicts on what is held, this cycle's first."""
    found = {}
    for symbol in state.book.holdings:
        before = state.verdicts.get(symbol, ())
        if (said := answer.said.get(symbol)) is not None:
            now = Verdict(said.proposal.action.value, said.proposal.confidence, question.as_of)
            before = (now, *before)
        found[symbol] = before[:VERDICTS]
    return found


def _market_time_of(milliseconds: int) -> timedelta:
    """Return how far the market went on in so much wall time."""
    rate = AgentStatus.objects.values_list("market_rate", flat=True).get(pk=1)
    return timedelta(milliseconds=float(milliseconds * rate))
