"""The cycle's analysis: what was fetched becomes questions, the answers become decisions."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.db import transaction
from django.utils import timezone

from ai.domain.repeats import Repeats
from ai.domain.stability import wants_to_trade
from ai.domain.types import AnalysisQuestion, HoldReason
from ai.models import ModelCall
from ai.services import AnalysisResult, AnalysisSettings, Assignment, analyse_together
from risk.domain.numbers import ZERO
from trading.analysis import decision_records, proposals, safe_mode, sampling, strategies
from trading.analysis.analysis_time import LEAST_SECONDS, seconds_for
from trading.analysis.decision_outcomes import apply_proposal, created_event, not_traded
from trading.analysis.gate_scene import read_gate_scene
from trading.analysis.model_questions import Scene, Skip, question_for, read_scene
from trading.core import cycle_log, settings
from trading.core.causation import caused_by
from trading.core.statements.message import Message
from trading.cycle import cycles, fetch_parts
from trading.domain.statuses import CycleStage, DecisionStatus
from trading.errors import SettingError
from trading.models import AIDecision, Cycle, DecisionRecord, Strategy

NONSENSE = (HoldReason.INVALID_ANSWER, HoldReason.DUPLICATE_ANSWER, HoldReason.UNKNOWN_SYMBOL)
NONSENSE_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What one strategy asks in a cycle: its symbols, and the question where any of them can be asked."""

    strategy: Strategy
    symbols: Sequence[str]
    question: AnalysisQuestion | None
    models: tuple[str, ...]
    record: DecisionRecord | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back, with the calls it came from; no result where nothing could be asked."""

    result: AnalysisResult | None
    calls: Mapping[UUID, ModelCall]


def analyse_cycle(cycle_id: UUID, *, soft_limit: float | None = None) -> list[UUID] | None:
    """Ask the models about what was fetched and store one decision per symbol and strategy.

    Args:
        soft_limit: of the task that does it, in seconds; None: there is none.

    Returns:
        The decisions that want to trade; None when another process has the analysis or the cycle is over.
    """
    with settings.read_once():  # until the models are asked: what is set while they answer counts after it
        cycle = settings.with_all(Cycle.objects.filter(pk=cycle_id)).get()
        settings.keep_read_with(cycle)
        late = _unfinished_fetches(cycle)
        token = cycles.move_stage(
            cycle_id, to=CycleStage.ANALYSING, frm=[CycleStage.FETCHING], lease=cycles.analysis_lease()
        )
        if token is None:
            return None
        fetch_parts.note_missing(cycle, late)
        cycle.refresh_from_db()
        began = timezone.now()
        if cycle.cycle_type == Cycle.Type.ANALYSIS:
            give_up_at = time.monotonic() + seconds_for(cycle, began, soft_limit)
            scene = _read_scene(cycle)
            inquiries = _inquiries(scene)
            terms = _analysis_settings(give_up_at, inquiries)
    if cycle.cycle_type != Cycle.Type.ANALYSIS:
        return _store_proposed(cycle, token)
    results = _ask(scene, inquiries, terms)
    rows = [row for inquiry in inquiries for row in _decide(scene, inquiry, results.get(inquiry.strategy.pk))]
    records = [inquiry.record for inquiry in inquiries if inquiry.record is not None]
    gate = None
    if records:
        gate = _gate_scene(cycle)
        records += [*scene.bars.values(), *([gate] if gate else [])]
    return _store(cycle, token, rows, records, gate, began)


def _read_scene(cycle: Cycle) -> Scene:
    scene = read_scene(cycle)
    for symbol, change in scene.changes.items():
        if change.warning:
            message = f"{symbol}: {change.warning}"
            cycle_log.record_warning(cycle.pk, operation="prices", message=message)
    return scene


def _gate_scene(cycle: Cycle) -> DecisionRecord | None:
    """Return what the gate stands on, for replays; a setting that cannot be read keeps no decision from its way."""
    try:
        return read_gate_scene(cycle.symbols)
    except SettingError as error:
        cycle_log.record_warning(cycle.pk, operation="analyse", message=f"not kept for replays: {error}")
        return None


def _unfinished_fetches(cycle: Cycle) -> list[fetch_parts.Part]:
    """Return what the analysis is begun without because it has been waited for long enough."""
    waits = cycle.stage == CycleStage.FETCHING and fetch_parts.is_overdue(cycle, timezone.now())
    return fetch_parts.unfinished(cycle) if waits else []


def _inquiries(scene: Scene) -> list[Inquiry]:
    active = list(Strategy.objects.trading())
    shares = strategies.shares_of(active, scene.cycle.symbols, scene.held)
    seen = {symbol for share in shares.values() for symbol in share}
    left_out = [symbol for symbol in scene.cycle.symbols if symbol not in seen]
    if left_out:
        named = ", ".join(left_out[:NONSENSE_SHOWN]) + (" …" if len(left_out) > NONSENSE_SHOWN else "")
        nobody = f"no strategy that trades looks at {len(left_out)} symbols: {named}"
        cycle_log.record_warning(scene.cycle.pk, operation="analyse", message=nobody)
    return [_inquiry(scene, strategy, symbols) for strategy, symbols in shares.items()]


def _inquiry(scene: Scene, strategy: Strategy, symbols: Sequence[str]) -> Inquiry:
    strategies.keep_version(strategy)
    models = tuple(strategy.model_names) or django_settings.ENVIRONMENT.ai_models
    question = question_for(strategy, scene, symbols)
    record = None
    if question is not None:
        record = decision_records.make_record(strategy, question, models=models, scene=scene)
    return Inquiry(strategy, symbols, question, models, record)


def _ask(
    scene: Scene, inquiries: Sequence[Inquiry], terms: AnalysisSettings
) -> Mapping[UUID, AnalysisResult]:
    """Put all questions together, and write down what the operator should know; results by strategy."""
    cycle = scene.cycle
    asking = [inquiry for inquiry in inquiries if inquiry.question is not None]
    if not asking:
        return {}
    results = analyse_together(
        assignments=_assignments(asking, scene.held),
        settings=terms,
        cycle_id=cycle.pk,
    )
    for inquiry, result in zip(asking, results, strict=True):
        _report(cycle, inquiry.strategy, result)
    answered = any(not result.failed for result in results)
    if answered or any(result.is_model_failure for result in results):
        safe_mode.after_analysis(cycle.pk, answered=answered)
    return {inquiry.strategy.pk: result for inquiry, result in zip(asking, results, strict=True)}


def _assignments(asking: Sequence[Inquiry], held: frozenset[str]) -> list[Assignment]:
    confirms = any(inquiry.strategy.confirm > 1 for inquiry in asking)
    trades = sampling.trades_alone(held) if confirms else wants_to_trade
    return [
        Assignment(
            inquiry.question, inquiry.models, inquiry.strategy.samples, inquiry.strategy.confirm, trades
        )
        for inquiry in asking
        if inquiry.question
    ]


def _analysis_settings(give_up_at: float, inquiries: Sequence[Inquiry]) -> AnalysisSettings:
    asking = [inquiry for inquiry in inquiries if inquiry.question is not None]
    is_sampled = any(sampling.is_sampled(inquiry.strategy) for inquiry in asking)
    environment = django_settings.ENVIRONMENT
    return AnalysisSettings(
        batch_size=settings.count("symbols_per_call"),
        concurrency=settings.count("model_concurrency"),
        deadline_seconds=max(give_up_at - time.monotonic(), LEAST_SECONDS),
        api_base=environment.ai_api_base,
        api_key=environment.ai_api_key,
        daily_budget_usd=environment.ai_daily_budget_usd,
        cycle_budget_usd=settings.runtime_value("ai_cycle_budget"),
        answer_tokens_per_symbol=settings.count("answer_tokens"),
        repeats=Repeats(*settings.retries()),
        min_agreement=float(settings.runtime_value("min_agreement")) if is_sampled else 1.0,
    )


def _report(cycle: Cycle, strategy: Strategy, result: AnalysisResult) -> None:
    for switch in result.switches:
        cycle_log.record_model_switch(
            cycle.pk,
            strategy=strategy.name,
            from_model=switch.from_model,
            to_model=switch.to_model,
            cause=switch.cause,
            detail=switch.detail,
            batches=switch.batches,
        )
    for warning in result.warnings:
        cycle_log.record_warning(cycle.pk, operation="analyse", message=warning)
    if result.failed:
        failure = RuntimeError(f"{strategy.name}: {result.failure}")
        cycle_log.record_error(cycle.pk, operation="analyse", error=failure)
    odd = [f"{s}: {hold.detail}" for s, hold in result.holds.items() if hold.reason in NONSENSE]
    for line in odd[:NONSENSE_SHOWN]:
        cycle_log.record_warning(cycle.pk, operation="analyse", message=f"hold, no usable answer for {line}")
    if len(odd) > NONSENSE_SHOWN:
        rest = f"no usable answer for {len(odd) - NONSENSE_SHOWN} more symbols, see their decisions"
        cycle_log.record_warning(cycle.pk, operation="analyse", message=rest)


def _decide(scene: Scene, inquiry: Inquiry, result: AnalysisResult | None) -> Iterator[AIDecision]:
    calls = ModelCall.objects.in_bulk(set(result.call_ids.values())) if result else {}
    answers = Answers(result, calls)
    for symbol in inquiry.symbols:
        skip = scene.skips.get(symbol)
        row = AIDecision(
            cycle=scene.cycle,
            strategy=inquiry.strategy,
            strategy_version=inquiry.strategy.version,
            record=None if skip else inquiry.record,
            symbol=symbol,
            action="hold",
            confidence=ZERO,
            as_of=scene.now,
        )
        if symbol in scene.snapshots:
            row.price, row.price_warning = scene.snapshots[symbol].price, scene.snapshots[symbol].warning
        _fill_in(row, skip, answers, scene)
        yield row


def _fill_in(row: AIDecision, skip: Skip | None, answers: Answers, scene: Scene) -> None:
    """Write the outcome: a proposal that wants to trade stays pending, everything else says why not."""
    result, symbol = answers.result, row.symbol
    if skip is None and result is not None:
        row.model_call = answers.calls.get(result.call_ids[symbol]) if symbol in result.call_ids else None
        row.model = row.model_call.model if row.model_call else ""
    if skip is not None or result is None:
        not_traded(row, DecisionStatus.SKIPPED, skip or Skip("analysis_failed", "nothing was asked"))
        return
    if symbol in result.samples:
        sampling.keep_samples(row, result.samples[symbol])
    proposal = result.proposals.get(symbol)
    if proposal is None:
        hold = result.holds[symbol]
        not_traded(row, DecisionStatus.HELD, Skip(hold.reason, hold.detail))
        return
    apply_proposal(row, proposal, scene=scene)


def _store(
    cycle: Cycle,
    token: datetime,
    rows: Sequence[AIDecision],
    records: Sequence[DecisionRecord],
    gate: DecisionRecord | None,
    began: datetime,
) -> list[UUID] | None:
    """Insert the decisions and move the cycle on, in one transaction; nothing if the claim was lost."""
    with transaction.atomic():
        if not _move_on(cycle, token, gate_record=gate):
            return None
        decision_records.store_records(records)
        message = Message()
        message.insert(rows)
        message.insert([created_event(row) for row in rows])
        message.say()
        cycle_log.record_step(cycle.pk, "analysis", **_summary(rows), seconds=cycle_log.seconds_since(began))
    return _pending(rows)


def _store_proposed(cycle: Cycle, token: datetime) -> list[UUID] | None:
    """Do the same in an execution cycle: what other services proposed, and what people have approved."""
    taken = proposals.decisions_for(read_scene(cycle))
    with transaction.atomic():
        if not _move_on(cycle, token):
            return None
        AIDecision.objects.bulk_create(decision for _, decision in taken)
        for proposal, decision in taken:
            with caused_by(proposal.event_id):
                created_event(decision).save(force_insert=True)
        proposals.mark_taken(taken)
    approved = AIDecision.objects.approved_pending().values_list("pk", flat=True)
    return [*approved, *_pending([decision for _, decision in taken])]


def _move_on(cycle: Cycle, token: datetime, **more: Any) -> bool:
    mine = Cycle.objects.filter(pk=cycle.pk, status="running", stage=CycleStage.ANALYSING, lease_until=token)
    return bool(mine.update(stage=CycleStage.EXECUTING, stage_at=timezone.now(), lease_until=None, **more))


def _pending(rows: Sequence[AIDecision]) -> list[UUID]:
    return [row.pk for row in rows if row.status == DecisionStatus.PENDING]


def _summary(rows: Sequence[AIDecision]) -> Mapping[str, int]:
    counts = {"decisions": len(rows)}
    for row in rows:
        key = row.action if row.status in (DecisionStatus.PENDING, DecisionStatus.HELD) else row.status
        key = row.reason if row.reason == HoldReason.UNSTABLE else key
        counts[str(key)] = counts.get(str(key), 0) + 1
    return counts
