"""A replay from its order to its figures: estimated before the first call, stored as it goes, taken up after a stop."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.utils import timezone

from ai.calls import ModelAccess
from ai.domain.answer import parse_answer
from ai.domain.budget import Budget, day_start
from ai.domain.types import Proposal
from ai.models import ModelCall
from ai.replaying import Estimate, Question, Replaying, Reply
from evaluation.models import Experiment, ReplayItem, Run
from evaluation.services.replay import comparing
from evaluation.services.replay.asking import Asking, Batch, batches, questions
from evaluation.services.replay.regating import GateAgain, GateScene, Proposed, as_recorded, scenes_of
from evaluation.services.replay.selecting import Selection, sources_of
from evaluation.services.replay.sources import RecordedVerdict, Source, of_decisions
from evaluation.services.replay.variation import Variation
from trading.core import settings
from trading.models import AIDecision

ASKED_AT_ONCE, JUDGED_AT_ONCE = 20, 200  # cycles; of those that are asked, every question is held
NEVER = Decimal(10**9)
PARTS = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Order:
    """What a person wants asked again, whole."""

    selection: Selection
    variation: Variation
    max_usd: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "selection": self.selection.to_json(),
            "variation": self.variation.to_json(),
            "maxUsd": self.max_usd,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Order":
        """Return what ``to_json`` wrote."""
        return cls(
            Selection.from_json(values["selection"]),
            Variation.from_json(values["variation"]),
            values["maxUsd"],
        )

    @property
    def asks(self) -> bool:
        """Whether answers are looked for, and not only what other rules make of those on record."""
        return self.variation.asks_otherwise or self.variation.changes_nothing


def order_replay(order: Order, *, author: str) -> Run:
    """Store a replay, to be carried out by ``carry_out``."""
    spec = order.to_json()
    text = json.dumps(spec, sort_keys=True)
    experiment = Experiment.objects.create(
        kind=Experiment.Kind.REPLAY,
        name=f"Replay of {order.selection.words}"[:100],
        spec=spec,
        spec_sha256=hashlib.sha256(text.encode()).hexdigest(),
        author=author,
    )
    return Run.objects.create(experiment=experiment)


def estimate(order: Order) -> Estimate:
    """Return what answering all of it takes: nothing is asked. Every question is made for it."""
    known = asked = 0
    most, unpriced = Decimal(0), set[str]()
    if order.asks:
        asking = Asking(order.variation)
        for chunk in _chunks(order):
            made = [each for batch in chunk for each in _made(batch, order, asking)]
            part = Replaying(made, policy=order.variation.policy, access=_access(asking)).estimate()
            known, asked, most = known + part.known, asked + part.asked, most + part.most_usd
            unpriced.update(part.unpriced)
    return Estimate(known, asked, most, tuple(sorted(unpriced)))


def purse_of(order: Order) -> Budget:
    """Return what may be spent: of the day's purse for evaluations what is left, of this replay what was said."""
    return Budget(day=left_of_the_day(), cycle=NEVER if order.max_usd is None else Decimal(order.max_usd))


def left_of_the_day() -> Decimal:
    """Return what of the day's purse for evaluations is not spent, in USD."""
    spent = ModelCall.objects.evaluation_cost_since(day_start(timezone.now()))
    return max(django_settings.ENVIRONMENT.ai_evaluation_budget_usd - spent, Decimal(0))


def carry_out(run: Run, *, on_progress: Callable[[int, int], None] = lambda done, asked: None) -> Run:
    """Ask, judge and compare; what a stopped one has stored already is not done again.

    The run is ``incomplete`` where something could not be answered: a failure is never taken for a hold.

    Args:
        on_progress: told how many decisions are done, and how many requests were asked.
    """
    order = Order.from_json(run.experiment.spec)
    Run.objects.filter(pk=run.pk).update(
        status=Run.Status.RUNNING, started_at=timezone.now(), is_stopped=False, ended_at=None, reason=""
    )
    try:
        figures = _Replay(run, order, on_progress).carry_out()
    except Exception as error:
        _end(run, Run.Status.FAILED, reason=f"{type(error).__name__}: {error}"[:500])
        raise
    open_ends = figures["decisions"] - figures["answered"]
    status = Run.Status.INCOMPLETE if open_ends else Run.Status.COMPLETED
    reason = next(iter(figures["problems"]), "") if open_ends else ""
    return _end(run, status, reason=reason[:500], figures=figures)


def stop(run: Run) -> None:
    """Have a replay ask nothing more; what is under way is waited for."""
    Run.objects.filter(pk=run.pk).update(is_stopped=True)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of one decision: ``proposed`` None where nobody answered, ``problem`` then says why."""

    source: Source
    model: str
    sample: int
    proposed: Proposed | None
    problem: str = ""
    request_hash: str = ""
    is_known: bool = True
    cost_usd: Decimal = Decimal(0)


Key = tuple[UUID, str, int]


class _Replay:
    """One execution."""

    def __init__(self, run: Run, order: Order, on_progress: Callable[[int, int], None]) -> None:
        self._run, self._order, self._on_progress = run, order, on_progress
        self._asking = Asking(order.variation)
        self._purse = purse_of(order)
        self._gate = GateAgain(order.variation)
        self._summary = comparing.Summary()
        self._asked, self._known, self._cost = 0, 0, Decimal(0)

    def carry_out(self) -> dict[str, Any]:
        """Return the figures."""
        for chunk in _chunks(self._order):
            answered = self._answers(chunk) if self._order.asks else self._records(chunk)
            scenes = scenes_of({source.cycle_id for batch in chunk for source in batch.sources})
            items = [item for group in answered.values() for item in self._items(group, scenes)]
            for item in items:
                self._summary.take(item.before, item.after)
            # Of a month under other rules, what stays as it was is counted and not written down.
            kept = items if self._order.asks else [each for each in items if _is_told(each)]
            ReplayItem.objects.bulk_create(kept, ignore_conflicts=True)
            self._tell()
        spent = {"requestsAsked": self._asked, "requestsKnown": self._known, "costUsd": str(self._cost)}
        return self._summary.to_json() | spent

    def _records(self, chunk: Sequence[Batch]) -> dict[Key, list[_Answer]]:
        """Return what was decided, by cycle."""
        found: dict[Key, list[_Answer]] = {}
        for source in (source for batch in chunk for source in batch.sources):
            answer = _Answer(source, source.model, 0, as_recorded(source))
            found.setdefault((source.cycle_id, "", 0), []).append(answer)
        return found

    def _answers(self, chunk: Sequence[Batch]) -> dict[Key, list[_Answer]]:
        """Put the chunk's questions again; return what came of it by cycle, model and sample."""
        made = [(batch, each) for batch in chunk for each in _made(batch, self._order, self._asking)]
        asked = [replace(question, tag=place) for place, (_, question) in enumerate(made)]
        replaying = Replaying(asked, policy=self._order.variation.policy, access=_access(self._asking))
        found: dict[Key, list[_Answer]] = {}
        most = settings.count("model_concurrency")
        for reply in replaying.run(purse=self._purse, concurrency=most, is_stopped=self._is_stopped):
            batch, question = made[reply.question.tag]
            self._count(reply)
            label = question.model if self._order.variation.models else ""
            for answer in _answered(batch, reply):
                found.setdefault((answer.source.cycle_id, label, question.sample), []).append(answer)
        for batch in chunk:
            if batch.seen is None:
                for source in batch.sources:
                    nobody = _Answer(source, source.model, 0, None, problem=batch.problem)
                    found.setdefault((source.cycle_id, "", 0), []).append(nobody)
        return found

    def _items(self, answers: Sequence[_Answer], scenes: Mapping[UUID, GateScene]) -> Iterator[ReplayItem]:
        """Judge what one cycle's decisions would be, and yield each beside what it was."""
        scene = scenes.get(answers[0].source.cycle_id)
        verdicts: Mapping[UUID, RecordedVerdict] = {}
        if scene is not None:
            proposed = [answer.proposed for answer in answers if answer.proposed is not None]
            verdicts = self._gate.judge(scene, [*proposed, *self._others(answers)])
        for answer in answers:
            verdict = verdicts.get(answer.source.id)
            now = comparing.after(
                answer.proposed,
                verdict,
                model=answer.model,
                problem=answer.problem,
                has_scene=scene is not None,
            )
            if not self._order.variation.changes_rules and _is_same(answer):
                now["moved"] = comparing.moved(answer.source, verdict)
            yield ReplayItem(
                run=self._run,
                decision_id=answer.source.id,
                model=answer.model,
                sample=answer.sample,
                symbol=answer.source.symbol,
                as_of=answer.source.as_of,
                before=comparing.before(answer.source),
                after=now,
                request_hash=answer.request_hash,
                from_cache=answer.is_known,
                cost_usd=answer.cost_usd,
            )

    def _others(self, answers: Sequence[_Answer]) -> list[Proposed]:
        """Return what else was wanted in the cycle of a single decision: it had its turn among them."""
        selection = self._order.selection
        if not selection.decision:
            return []
        mine = {answer.source.id for answer in answers}
        rows = AIDecision.objects.filter(cycle_id=answers[0].source.cycle_id, action__in=["buy", "sell"])
        return [as_recorded(each) for each in of_decisions(rows.exclude(pk__in=mine), with_calls=False)]

    def _count(self, reply: Reply) -> None:
        self._cost += reply.cost_usd
        if reply.is_known:
            self._known += 1
        elif reply.text is not None or reply.cost_usd:
            self._asked += 1
        self._tell()

    def _tell(self) -> None:
        self._on_progress(self._summary.decisions, self._asked)
        Run.objects.filter(pk=self._run.pk).update(
            progress={"decisions": self._summary.decisions, "asked": self._asked, "costUsd": str(self._cost)}
        )

    def _is_stopped(self) -> bool:
        return Run.objects.filter(pk=self._run.pk, is_stopped=True).exists()


def _answered(batch: Batch, reply: Reply) -> Iterator[_Answer]:
    """Yield what a reply says of each of the batch's decisions; of an answer that cannot be used, why."""
    symbols = reply.question.symbols
    parsed = None if reply.text is None else parse_answer(reply.text, symbols)
    problems = {each.symbol: each.detail for each in parsed.problems} if parsed else {}
    share = reply.cost_usd / len(batch.sources)
    for source in batch.sources:
        proposal = parsed.proposals.get(source.symbol) if parsed else None
        problem = "" if proposal else reply.problem or problems.get(source.symbol) or "no answer for it"
        yield _Answer(
            source,
            reply.question.model,
            reply.question.sample,
            _proposed(source, proposal) if proposal else None,
            problem=problem,
            request_hash=reply.question.hash,
            is_known=reply.is_known,
            cost_usd=share.quantize(PARTS),
        )


def _proposed(source: Source, proposal: Proposal) -> Proposed:
    return Proposed(source, proposal.action.value, proposal.confidence, proposal.reasoning, proposal.exit)


def _is_told(item: ReplayItem) -> bool:
    return comparing.differs(item.before, item.after) or bool(item.after["problem"])


def _is_same(answer: _Answer) -> bool:
    now, source = answer.proposed, answer.source
    return now is not None and (now.action, now.confidence) == (source.action, Decimal(source.confidence))


def _cycles(order: Order) -> Iterator[Batch]:
    """Yield the selected decisions by the call they came of; where nothing is asked, by cycle."""
    if order.asks:
        yield from batches(sources_of(order.selection))
        return
    for _, group in groupby(sources_of(order.selection, wanting_only=True), key=lambda each: each.cycle_id):
        yield Batch(tuple(group), None)


def _chunks(order: Order) -> Iterator[list[Batch]]:
    """Yield whole cycles together, some at a time."""
    most = ASKED_AT_ONCE if order.asks else JUDGED_AT_ONCE
    chunk: list[Batch] = []
    cycles = 0
    for _, group in groupby(_cycles(order), key=lambda batch: batch.sources[0].cycle_id):
        chunk += group
        cycles += 1
        if cycles == most:
            yield chunk
            chunk, cycles = [], 0
    if chunk:
        yield chunk


def _made(batch: Batch, order: Order, asking: Asking) -> list[Question]:
    return questions(batch, order.variation, asking)


def _access(asking: Asking) -> ModelAccess:
    return ModelAccess(asking.api_base, django_settings.ENVIRONMENT.ai_api_key)


def _end(run: Run, status: Run.Status, *, reason: str = "", figures: Mapping[str, Any] | None = None) -> Run:
    run.refresh_from_db()
    run.status, run.reason, run.ended_at = status, reason, timezone.now()
    run.figures = dict(figures or {})
    run.save(update_fields=["status", "reason", "ended_at", "figures"])
    return run
