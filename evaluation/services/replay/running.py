"""A replay from its order to its figures: asked within the purse, stored as it goes, taken up where it was cut off."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.utils import timezone

from ai.domain.answer import parse_answer
from ai.domain.types import Proposal
from ai.replaying import Replaying, Reply
from evaluation.errors import RunStateError
from evaluation.models import ReplayItem, Run
from evaluation.services.purse import DayPurse
from evaluation.services.replay import comparing
from evaluation.services.replay.asking import Asking, Batch, questions
from evaluation.services.replay.chunking import chunks
from evaluation.services.replay.estimating import access_of
from evaluation.services.replay.items import Item, store_items
from evaluation.services.replay.orders import STOPPED, Order, lock_of
from evaluation.services.replay.regating import GateAgain, GateScene, Proposed, as_recorded, scenes_of
from evaluation.services.replay.sources import RecordedVerdict, Source, of_decisions
from trading.core import settings
from trading.core.process_lock import only_one
from trading.models import AIDecision

PARTS = Decimal("0.000001")
TELL_SECONDS = 0.5  # between two notes of progress


def carry_out(run: Run, *, on_progress: Callable[[int, int], None] = lambda done, asked: None) -> Run:
    """Ask, judge and compare; what a stopped one has stored already is not done again.

    The run is ``incomplete`` where something could not be answered: a failure is never taken for a hold.

    Args:
        on_progress: told how many decisions are done, and how many requests were asked.

    Raises:
        RunStateError: another process carries it out.
    """
    with only_one(lock_of(run)) as nobody_else:
        if not nobody_else:
            raise RunStateError(f"the replay {run.pk} is being carried out by another process")
        return _carried_out(run, on_progress)


def _carried_out(run: Run, on_progress: Callable[[int, int], None]) -> Run:
    order = Order.from_json(run.experiment.spec)
    if run.started_at is not None:  # what was not answered is tried again
        ReplayItem.objects.filter(run=run, change=ReplayItem.Change.UNANSWERED).delete()
    run.status, run.started_at = Run.Status.RUNNING, timezone.now()
    Run.objects.filter(pk=run.pk).update(
        status=run.status, started_at=run.started_at, ended_at=None, reason=""
    )
    try:
        figures = _Replay(run, order, on_progress).carry_out()
    except Exception as error:
        _end(run, Run.Status.FAILED, reason=f"{type(error).__name__}: {error}"[:500])
        raise
    open_ends = figures["decisions"] - figures["answered"]
    status = Run.Status.INCOMPLETE if open_ends else Run.Status.COMPLETED
    reason = next(iter(figures["problems"]), "") if open_ends else ""
    if open_ends and STOPPED in figures["problems"]:
        reason = STOPPED
    return _end(run, status, reason=reason[:500], figures=figures)


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
        self._gate = GateAgain(order.variation)
        self._summary = comparing.Summary()
        before = run.progress  # of executions that were cut off: what they asked is known now
        self._asked, self._cost = int(before.get("asked", 0)), Decimal(before.get("costUsd", 0))
        self._known = -self._asked
        self._told_at = time.monotonic()
        most = None if order.max_usd is None else Decimal(order.max_usd) - self._cost
        self._purse = DayPurse(day=django_settings.ENVIRONMENT.ai_evaluation_budget_usd, run=most)

    def carry_out(self) -> dict[str, Any]:
        """Return the figures."""
        for chunk in chunks(self._order):
            answered = self._answers(chunk) if self._order.asks else self._records(chunk)
            groups = answered.values()
            scenes = scenes_of({each[0].source.cycle_id for each in groups if _wants_to_trade(each)})
            items = [item for group in groups for item in self._items(group, scenes)]
            for item in items:
                self._summary.take(item.before, item.after)
            # Of a month under other rules, what stays as it was is counted and not written down.
            store_items(
                self._run.pk, items if self._order.asks else [each for each in items if _is_told(each)]
            )
            self._tell()
        spent = {
            "requestsAsked": self._asked,
            "requestsKnown": max(self._known, 0),
            "costUsd": str(self._cost),
        }
        return self._summary.to_json() | spent

    @functools.cached_property
    def _at_once(self) -> int:
        return settings.count("model_concurrency")

    def _records(self, chunk: Sequence[Batch]) -> dict[Key, list[_Answer]]:
        """Return what was decided, by cycle."""
        found: dict[Key, list[_Answer]] = {}
        for source in (source for batch in chunk for source in batch.sources):
            answer = _Answer(source, source.model, 0, as_recorded(source))
            found.setdefault((source.cycle_id, "", 0), []).append(answer)
        return found

    def _answers(self, chunk: Sequence[Batch]) -> dict[Key, list[_Answer]]:
        """Put the chunk's questions again; return what came of it by cycle, model and sample."""
        variation = self._order.variation
        made = [(batch, each) for batch in chunk for each in questions(batch, variation, self._asking)]
        asked = [replace(question, tag=place) for place, (_, question) in enumerate(made)]
        replaying = Replaying(
            asked,
            policy=variation.policy,
            access=access_of(self._asking),
            fresh_since=self._run.created_at,
        )
        found: dict[Key, list[_Answer]] = {}
        for reply in replaying.run(purse=self._purse, concurrency=self._at_once, is_stopped=self._is_stopped):
            batch, question = made[reply.question.tag]
            self._count(reply)
            label = question.model if variation.models else ""
            for answer in _answered(batch, reply):
                found.setdefault((answer.source.cycle_id, label, question.sample), []).append(answer)
        for batch in chunk:
            if batch.seen is None:
                for source in batch.sources:
                    nobody = _Answer(source, source.model, 0, None, problem=batch.problem)
                    found.setdefault((source.cycle_id, "", 0), []).append(nobody)
        return found

    def _items(self, answers: Sequence[_Answer], scenes: Mapping[UUID, GateScene]) -> Iterator[Item]:
        """Judge what one cycle's decisions would be, and yield each beside what it was."""
        scene = scenes.get(answers[0].source.cycle_id)
        verdicts: Mapping[UUID, RecordedVerdict] = {}
        if scene is not None and _wants_to_trade(answers):
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
            was = comparing.before(answer.source)
            change, shift = comparing.change_of(was, now)
            yield Item(
                decision_id=answer.source.id,
                model=answer.model,
                sample=answer.sample,
                symbol=answer.source.symbol,
                as_of=answer.source.as_of,
                before=was,
                after=now,
                request_hash=answer.request_hash,
                from_cache=answer.is_known,
                cost_usd=answer.cost_usd,
                change=change,
                shift=shift,
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
        """Write down how far it is: at once where something was asked, else now and then."""
        self._on_progress(self._summary.decisions, self._asked)
        told = self._run.progress
        was_asked = told.get("asked", 0) != self._asked or told.get("costUsd", "0") != str(self._cost)
        self._run.progress = told | {
            "decisions": self._summary.decisions,
            "asked": self._asked,
            "costUsd": str(self._cost),
        }
        if was_asked or time.monotonic() - self._told_at > TELL_SECONDS:
            self._told_at = time.monotonic()
            Run.objects.filter(pk=self._run.pk).update(progress=self._run.progress)

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


def _wants_to_trade(answers: Sequence[_Answer]) -> bool:
    return any(each.proposed is not None and each.proposed.action != "hold" for each in answers)


def _is_told(item: Item) -> bool:
    return comparing.differs(item.before, item.after) or bool(item.after["problem"])


def _is_same(answer: _Answer) -> bool:
    now, source = answer.proposed, answer.source
    return now is not None and (now.action, now.confidence) == (source.action, Decimal(source.confidence))


def _end(run: Run, status: Run.Status, *, reason: str = "", figures: Mapping[str, Any] | None = None) -> Run:
    run.status, run.reason, run.ended_at = status, reason, timezone.now()
    run.figures = dict(figures or {})
    run.save(update_fields=["status", "reason", "ended_at", "figures", "progress"])
    return run
