"""Make the rows of outcomes while decisions are on record: long before it is known whether they were right."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, Min

from ai.cutoffs import Cutoffs
from evaluation.domain.outcomes import LabelSpec, Session, due_session
from evaluation.models import JobMark, Outcome
from evaluation.services.outcomes.costs import round_trip_cost
from evaluation.services.outcomes.scenes import SceneMaker
from evaluation.services.outcomes.sessions import sessions_around
from evaluation.services.outcomes.windows import window_for
from trading.models import AIDecision, Cycle

CYCLES_AT_ONCE = 200
MICROSECOND = timedelta(microseconds=1)
# Of each opinion's owner, symbol and session the first hold, and the first that wanted to trade. A hold for want of a
# usable answer is no opinion. A close belongs to its own session, and the bucket begins at its bound: so one later.
_FIRSTS = """
SELECT DISTINCT ON (d.strategy_id, d.symbol, d.model, c.answered_model, c.prompt_version, day, d.action = 'hold')
       d.id, d.cycle_id, d.as_of,
       (%(days)s::date[])[width_bucket(d.as_of, %(bounds)s::timestamptz[]) + 1] AS day,
       d.symbol, d.strategy_id, d.strategy_version, d.model, c.answered_model, c.prompt_version, d.action,
       d.confidence, d.price, coalesce(r.allowed::text, ''), d.reason
  FROM ai_decisions d
  JOIN model_calls c ON c.id = d.model_call_id
  LEFT JOIN risk_checks r ON r.id = d.risk_check_id
 WHERE d.cycle_id = ANY(%(cycles)s) AND d.as_of IS NOT NULL AND (d.action <> 'hold' OR d.reason = 'hold')
 ORDER BY d.strategy_id, d.symbol, d.model, c.answered_model, c.prompt_version, day, d.action = 'hold', d.as_of, d.id
"""
_VERDICTS = """
UPDATE outcomes o
   SET verdict = CASE WHEN r.allowed THEN 'passed' ELSE 'denied' END, verdict_reason = d.reason
  FROM ai_decisions d JOIN risk_checks r ON r.id = d.risk_check_id
 WHERE o.decision_id = d.id AND o.origin = 'live' AND o.verdict = '' AND o.resolved_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Opinion:
    """A decision that may count, in the order of ``_FIRSTS``."""

    id: UUID
    cycle_id: UUID
    as_of: datetime
    session: date
    symbol: str
    strategy_id: UUID
    strategy_version: int | None
    model: str
    answered_model: str
    prompt_version: str
    action: str
    confidence: Decimal
    price: Decimal | None
    allowed: str
    reason: str

    @property
    def owner(self) -> tuple[object, ...]:
        """Whose opinion of which symbol in which session."""
        return (
            self.session,
            self.symbol,
            self.strategy_id,
            self.model,
            self.answered_model,
            self.prompt_version,
        )

    @property
    def wants(self) -> bool:
        """Whether it wanted to trade."""
        return self.action != "hold"


def note_new(job: str) -> int:
    """Make the rows of decisions since the mark of ``job``; return of how many decisions.

    Some cycles at a time, each with the mark in one transaction: whoever is killed goes on where that one stood.
    """
    makes, cutoffs, noted = SceneMaker(), Cutoffs(), 0
    while True:
        with transaction.atomic():
            mark, _ = JobMark.objects.select_for_update().get_or_create(job=job)
            cycles = _ended_since(mark.cycle_number)
            if not cycles:
                return noted
            noted += _note([cycle for _, cycle, is_analysis in cycles if is_analysis], makes, cutoffs)
            mark.cycle_number = cycles[-1][0]
            mark.save(update_fields=["cycle_number"])


def note_verdicts() -> int:
    """Write what the gate said of decisions that it had not judged when they were noted; return of how many rows."""
    with connection.cursor() as cursor:
        cursor.execute(_VERDICTS)
        return int(cursor.rowcount)


def _ended_since(number: int) -> list[tuple[int, UUID, bool]]:
    """Return the next cycles in their order up to the first that has not ended: number, id, whether it analysed."""
    rows = Cycle.objects.filter(number__gt=number).order_by("number")
    found = rows.values_list("number", "pk", "cycle_type", "ended_at")[:CYCLES_AT_ONCE]
    ended = itertools.takewhile(lambda row: row[3] is not None, found)
    return [(number, pk, kind == Cycle.Type.ANALYSIS) for number, pk, kind, _ in ended]


def _note(cycles: Sequence[UUID], makes: SceneMaker, cutoffs: Cutoffs) -> int:
    opinions, sessions = _opinions(cycles)
    kept = list(_kept(opinions))
    scenes = makes.store({each.cycle_id for each, _ in kept})
    rows = (
        row
        for each, is_first in kept
        for row in _rows(
            each, is_first=is_first, scene=scenes[each.cycle_id], sessions=sessions, cutoffs=cutoffs
        )
    )
    Outcome.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)
    return len(kept)


def _opinions(cycles: Sequence[UUID]) -> tuple[list[Opinion], Sequence[Session]]:
    """Return the decisions of these cycles that may count, one pass over the table, and the sessions around them."""
    times = AIDecision.objects.filter(cycle__in=cycles).aggregate(first=Min("as_of"), last=Max("as_of"))
    if times["first"] is None:
        return [], ()
    sessions = sessions_around(times["first"], times["last"])
    values: Mapping[str, Any] = {
        "cycles": list(cycles),
        "days": [each.day for each in sessions],
        "bounds": [each.closes_at + MICROSECOND for each in sessions],
    }
    with connection.cursor() as cursor:
        cursor.execute(_FIRSTS, values)
        return [Opinion(*row) for row in cursor.fetchall()], sessions


def _kept(opinions: Iterable[Opinion]) -> Iterator[tuple[Opinion, bool]]:
    """Yield what was not noted before of each owner's session: the first of all, and the first wish to trade."""
    by_owner: dict[tuple[object, ...], list[Opinion]] = {}
    for each in opinions:
        by_owner.setdefault(each.owner, []).append(each)
    have_first, have_wish = _noted({each.session for group in by_owner.values() for each in group})
    for owner, group in by_owner.items():
        first = min(group, key=lambda each: (each.as_of, each.id))
        if owner not in have_first:
            yield first, True
        wish = next((each for each in group if each.wants), None)
        if wish is not None and owner not in have_wish and (wish is not first or owner in have_first):
            yield wish, False


def _noted(sessions: Iterable[date]) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    """Return the owners that have a first opinion of these sessions on record, and those with a wish to trade."""
    whose = ("session", "symbol", "strategy_id", "model", "answered_model", "prompt_version")
    rows = Outcome.objects.filter(
        session__in=list(sessions), origin=Outcome.Origin.LIVE, label_spec=LabelSpec.ONE_SESSION
    )
    first, wish = set(), set()
    for *owner, is_first, action in rows.values_list(*whose, "is_first", "action").iterator():
        if is_first:
            first.add(tuple(owner))
        if action != "hold":
            wish.add(tuple(owner))
    return first, wish


def _rows(
    opinion: Opinion, *, is_first: bool, scene: str, sessions: Sequence[Session], cutoffs: Cutoffs
) -> Iterator[Outcome]:
    """Yield a row for each label."""
    verdict = {"true": Outcome.Verdict.PASSED, "false": Outcome.Verdict.DENIED}.get(opinion.allowed, "")
    day = opinion.as_of.date()
    for spec in LabelSpec:
        due = due_session(opinion.as_of, sessions, horizon=spec.horizon)
        if due is None:
            raise AssertionError(f"no session is listed {spec.horizon} after {opinion.as_of}")
        yield Outcome(
            decision_id=opinion.id,
            cycle_id=opinion.cycle_id,
            as_of=opinion.as_of,
            session=opinion.session,
            symbol=opinion.symbol,
            strategy_id=opinion.strategy_id,
            strategy_version=opinion.strategy_version,
            model=opinion.model,
            answered_model=opinion.answered_model,
            prompt_version=opinion.prompt_version,
            action=opinion.action,
            confidence=opinion.confidence,
            price=opinion.price,
            verdict=verdict,
            verdict_reason="" if verdict == "" and opinion.reason == "hold" else opinion.reason,
            is_first=is_first,
            scene_id=scene,
            label_spec=spec,
            horizon=spec.horizon,
            cost=round_trip_cost(opinion.symbol),
            due_at=due.closes_at,
            window=window_for(opinion.model, opinion.answered_model, day, cutoffs),
        )
