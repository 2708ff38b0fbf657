"""What is known of each model, side by side: decisions, outcomes, calls, cost, failures, agreement, stability.

A part returns figures by model; a further one is a further entry of ``PARTS``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

DAYS = 30
MOST_MODELS = 200
_DECISIONS = """
SELECT model, count(*), count(*) FILTER (WHERE action <> 'hold'), avg(confidence) FILTER (WHERE action <> 'hold'),
       count(*) FILTER (WHERE status = 'executed')
  FROM ai_decisions WHERE created_at >= %s AND model <> '' GROUP BY model
"""
_CALLS = """
SELECT model, count(*), count(*) FILTER (WHERE status <> 'succeeded'),
       sum(charged_usd) FILTER (WHERE purpose = 'trade'), sum(charged_usd) FILTER (WHERE purpose <> 'trade'),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE status = 'succeeded'),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE status = 'succeeded')
  FROM model_calls WHERE created_at >= %s GROUP BY model
"""
# How often it agrees with another that decided; and of questions with several answers in one run, how often all of
# them name the same action.
_REPLAYS = """
WITH items AS (
    SELECT i.run_id, i.decision_id, i.model, i."after"->>'action' AS action, i."before"->>'action' AS decided,
           i."before"->>'model' AS decider
      FROM replay_items i JOIN runs r ON r.id = i.run_id WHERE r.created_at >= %s AND i.change > 0),
questions AS (
    SELECT model, count(DISTINCT action) AS actions FROM items
     GROUP BY run_id, decision_id, model HAVING count(*) > 1),
agreement AS (
    SELECT model, count(*) AS asked, count(*) FILTER (WHERE action = decided) AS same
      FROM items WHERE decider <> model GROUP BY model),
stability AS (
    SELECT model, count(*) AS asked, count(*) FILTER (WHERE actions = 1) AS same FROM questions GROUP BY model)
SELECT coalesce(a.model, s.model), coalesce(a.asked, 0), coalesce(a.same, 0), coalesce(s.asked, 0), coalesce(s.same, 0)
  FROM agreement a FULL JOIN stability s ON s.model = a.model
"""
# Of what wanted to trade, after five sessions; what a model was trained on is left out.
_OUTCOMES = """
SELECT model, count(*), count(*) FILTER (WHERE "right"), avg(excess_return * CASE action WHEN 'buy' THEN 1 ELSE -1 END)
  FROM outcomes WHERE created_at >= %s AND label_spec = 'excess-5s-v1' AND excess_return IS NOT NULL
   AND action <> 'hold' AND "window" NOT IN ('inside', 'grey') AND origin = 'live' GROUP BY model
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as text; ``note`` says what it rests on, "" where that goes without saying."""

    text: str
    note: str = ""


Cells = Mapping[str, Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class PartOfRecord:
    """Some columns: their heads, and what fills them by model."""

    heads: tuple[str, ...]
    read: Callable[[datetime], Cells]


@dataclass(frozen=True, slots=True)
class ModelRecords:
    """The table: heads, and a row for each model; ``days``: the time it is of, back from now."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    days: int = DAYS


NOTHING = Cell("-")


def model_records(now: datetime | None = None) -> ModelRecords:
    """Read the table in one query for each part, however many models there are."""
    since = (now or timezone.now()) - timedelta(days=DAYS)
    parts = [(part, part.read(since)) for part in PARTS]
    names = sorted({name for _, found in parts for name in found})[:MOST_MODELS]
    rows = []
    for name in names:
        cells = [cell for part, found in parts for cell in found.get(name, [NOTHING] * len(part.heads))]
        rows.append((name, tuple(cells)))
    return ModelRecords(tuple(head for part, _ in parts for head in part.heads), tuple(rows))


def _decisions(since: datetime) -> Cells:
    return {
        model: [
            Cell(f"{made:,}"),
            Cell(f"{wanted:,}", f"{executed:,} traded"),
            NOTHING if stated is None else Cell(f"{stated:.2f}", f"of {wanted:,}"),
        ]
        for model, made, wanted, stated, executed in _rows(_DECISIONS, since)
    }


def _calls(since: datetime) -> Cells:
    return {
        model: [
            Cell(f"{calls:,}"),
            _share(failed, calls),
            NOTHING if median is None else Cell(f"{median / 1000:.1f} s", f"p95 {slow / 1000:.1f} s"),
            Cell(f"{trading or Decimal(0):.4f}", f"{evaluating or Decimal(0):.4f} to evaluate"),
        ]
        for model, calls, failed, trading, evaluating, median, slow in _rows(_CALLS, since)
    }


def _replays(since: datetime) -> Cells:
    return {
        model: [_share(agreed, asked), _share(steady, questions)]
        for model, asked, agreed, questions, steady in _rows(_REPLAYS, since)
    }


def _outcomes(since: datetime) -> Cells:
    return {
        model: [_share(right, known), Cell(f"{10_000 * excess:+.0f} bps", f"of {known:,}")]
        for model, known, right, excess in _rows(_OUTCOMES, since)
    }


def _share(count: int, of: int) -> Cell:
    return Cell(f"{100 * count / of:.1f} %", f"of {of:,}") if of else NOTHING


def _rows(sql: str, since: datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [since])
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


PARTS = (
    PartOfRecord(("Decisions", "Wanted to trade", "Stated confidence"), _decisions),
    PartOfRecord(("Right after 5 sessions", "Mean excess"), _outcomes),
    PartOfRecord(("Calls", "Failed", "Latency", "Cost, USD"), _calls),
    PartOfRecord(("Agrees with who decided", "Says the same again"), _replays),
)
