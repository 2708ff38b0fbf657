"""What is known of each model, side by side: its decisions, calls, cost, failures, agreement and stability.

A part returns figures by model; a further one (what came of the decisions) is a further entry of ``PARTS``.
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
_AGREEMENT = """
SELECT i.model, count(*), count(*) FILTER (WHERE i."after"->>'action' = i."before"->>'action')
  FROM replay_items i JOIN runs r ON r.id = i.run_id
 WHERE r.created_at >= %s AND i.change > 0 AND i."before"->>'model' <> i.model GROUP BY i.model
"""
# Of questions with several answers in one run: how often all of them name the same action.
_STABILITY = """
SELECT model, count(*), count(*) FILTER (WHERE actions = 1) FROM (
    SELECT i.model, count(DISTINCT i."after"->>'action') AS actions FROM replay_items i JOIN runs r ON r.id = i.run_id
     WHERE r.created_at >= %s AND i.change > 0
     GROUP BY i.run_id, i.decision_id, i.model HAVING count(*) > 1) AS questions GROUP BY model
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


def _agreement(since: datetime) -> Cells:
    return {model: [_share(same, asked)] for model, asked, same in _rows(_AGREEMENT, since)}


def _stability(since: datetime) -> Cells:
    return {model: [_share(same, asked)] for model, asked, same in _rows(_STABILITY, since)}


def _share(count: int, of: int) -> Cell:
    return Cell(f"{100 * count / of:.1f} %", f"of {of:,}") if of else NOTHING


def _rows(sql: str, since: datetime) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [since])
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


PARTS = (
    PartOfRecord(("Decisions", "Wanted to trade", "Stated confidence"), _decisions),
    PartOfRecord(("Calls", "Failed", "Latency", "Cost, USD"), _calls),
    PartOfRecord(("Agrees with who decided",), _agreement),
    PartOfRecord(("Says the same again",), _stability),
)
