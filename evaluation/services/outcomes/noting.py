"""Make the rows of outcomes while decisions are on record: long before it is known whether they were right."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max, Min

from ai.cutoffs import Cutoffs
from evaluation.domain.outcomes import Session
from evaluation.models import JobMark, Outcome
from evaluation.services.outcomes.opinions import Opinion, kept, rows_of
from evaluation.services.outcomes.scenes import SceneMaker
from evaluation.services.outcomes.sessions import sessions_around
from trading.models import AIDecision, Cycle

CYCLES_AT_ONCE = 200
MICROSECOND = timedelta(microseconds=1)
# In the order of an ``Opinion``. Of each opinion's owner, symbol and session the first hold, and the first that wanted
# to trade. A hold for want of a usable answer is no opinion. A close belongs to its own session, and the bucket begins
# at its bound: so one later.
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
    counted = list(kept(opinions))
    scenes = makes.store({each.cycle_id for each, _ in counted})
    rows = (
        row
        for each, is_first in counted
        for row in rows_of(
            each,
            origin=Outcome.Origin.LIVE,
            is_first=is_first,
            scene=scenes[each.cycle_id],
            sessions=sessions,
            cutoffs=cutoffs,
        )
    )
    Outcome.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)
    return len(counted)


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
