"""What happened in a cycle, for its page: when, what was decided and why not traded, orders, and what went wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from ai.models import ModelCall
from risk.domain.deciding_words import deciding_words
from trading.core.statements.together import Select, first, read_together
from trading.domain.statuses import DecisionStatus
from trading.models import AIDecision, Cycle, Event, Order, Trade
from trading.models.cycle import ERROR, WARNING
from trading.queries.event_words import text_of
from trading.queries.pages.cycle_advice import advice_on
from trading.queries.pages.cycle_steps import STEP, DrawnStep, Step, drawn, joined, step_of

MOST_ROWS = 40
MOST_CALLS = 200
QUIET = (DecisionStatus.HELD, DecisionStatus.SKIPPED)  # and denials: told by their counts
TOLD = ("cycle.pause", "cycle.resume", "cycle.model_switched", "cycle.abort", "cycle.fail", WARNING)
_OUTCOMES = """
SELECT status, reason, action, COUNT(*) AS count FROM ai_decisions WHERE cycle_id = %s
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2
"""
_GATE = """
SELECT MIN(created_at) AS first, MAX(created_at) AS last, COUNT(*) AS asked,
       COUNT(*) FILTER (WHERE allowed) AS passed FROM risk_checks WHERE cycle_id = %s
"""
_ORDERED = """
SELECT MIN(created_at) AS first, MAX(COALESCE(ended_at, acknowledged_at, submitted_at, created_at)) AS last,
       COUNT(*) AS count FROM orders WHERE cycle_id = %s AND purpose IN ('entry', 'exit')
"""
_STRATEGIES = """
SELECT DISTINCT model_call_id AS call, strategies.name FROM ai_decisions
JOIN strategies ON strategies.id = strategy_id WHERE cycle_id = %s AND model_call_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many decisions ended the same way; ``words`` is the reason, "" of those that traded."""

    status: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error of the cycle, ``count`` times in the same words, and what to do about it."""

    at: datetime
    operation: str
    symbols: Sequence[str]
    message: str
    advice: str
    count: int


@dataclass(frozen=True, slots=True)
class CycleStory:
    """A cycle with what belongs to it; decisions carry ``strategy_name`` and ``deciding``, trades ``strategy_name``."""

    cycle: Cycle
    end: datetime
    steps: Sequence[DrawnStep]
    outcomes: Sequence[Outcome]
    actions: Mapping[str, int]
    decisions: Sequence[AIDecision]
    orders: Sequence[Order]
    trades: Sequence[Trade]
    troubles: Sequence[Trouble]
    notes: Sequence[tuple[datetime, str]]

    @property
    def seconds(self) -> float:
        """How long it took, until now where it runs."""
        return (self.end - self.cycle.started_at).total_seconds()

    @property
    def decided(self) -> int:
        """How many decisions there are."""
        return sum(one.count for one in self.outcomes)

    @property
    def slow(self) -> list[DrawnStep]:
        """The steps that took a good part of it."""
        return [one for one in self.steps if one.is_slow and not one.step.is_part]


def cycle_story(cycle_id: UUID) -> CycleStory | None:
    """Read a cycle's story in one statement; None when there is no such cycle."""
    read = read_together(_selects(cycle_id))
    cycle: Cycle | None = first(read["cycle"])
    if cycle is None:
        return None
    end = cycle.ended_at or timezone.now()
    for decision in read["decisions"]:
        decision.deciding = deciding_words(decision.reason, decision.figures or {})
    return CycleStory(
        cycle=cycle,
        end=end,
        steps=tuple(drawn(_steps(read), cycle.started_at, end)),
        outcomes=_outcomes(read["outcomes"]),
        actions=_actions(read["outcomes"]),
        decisions=read["decisions"],
        orders=read["orders"],
        trades=read["trades"],
        troubles=_troubles(event for event in read["events"] if event.type == ERROR),
        notes=[
            (event.occurred_at, words.strip())
            for event in read["events"]
            if event.type in TOLD and (words := text_of(event))
        ],
    )


def _selects(cycle_id: UUID) -> Mapping[str, Any]:
    told = Event.objects.filter(aggregate_type="cycle", aggregate_id=str(cycle_id))
    wanted = AIDecision.objects.filter(cycle=cycle_id).exclude(status__in=QUIET)
    return {
        "cycle": Cycle.objects.filter(pk=cycle_id).defer("universe", "headlines"),
        "events": told.order_by("sequence")[:500],
        "outcomes": Select(_OUTCOMES, (str(cycle_id),)),
        "gate": Select(_GATE, (str(cycle_id),)),
        "ordered": Select(_ORDERED, (str(cycle_id),)),
        "calls": ModelCall.objects.filter(cycle_id=cycle_id)
        .only("model", "provider", "status", "started_at", "latency_ms", "symbols", "cost_usd")
        .order_by("started_at")[:MOST_CALLS],
        "strategies": Select(_STRATEGIES, (str(cycle_id),)),
        "decisions": wanted.annotate(
            strategy_name=F("strategy__name"), figures=F("risk_check__figures")
        ).order_by(F("status").desc(), "-confidence", "symbol")[:MOST_ROWS],
        "orders": Order.objects.filter(cycle_id=cycle_id, purpose__in=["entry", "exit"]).order_by(
            "created_at"
        )[:MOST_ROWS],
        "trades": Trade.objects.filter(cycle_id=cycle_id)
        .annotate(strategy_name=F("strategy__name"))
        .order_by("booked_at")[:MOST_ROWS],
    }


def _steps(read: Mapping[str, Sequence[Any]]) -> list[Step]:
    """Return fetches and analysis as the cycle's events tell them, model calls, the gate and orders, in order."""
    told = [_told(event) for event in read["events"] if event.type.startswith(STEP)]
    steps = joined([step for step in told if step is not None])
    by_call = {row["call"]: row["name"] for row in read["strategies"]}
    steps += joined([_call(call, by_call.get(str(call.pk), "")) for call in read["calls"]])
    for name, title in (("gate", "Risk gate"), ("ordered", "Orders")):
        row = read[name][0]
        if row["first"]:
            words = (
                f"{row['asked']} asked, {row['passed']} passed" if name == "gate" else f"{row['count']} sent"
            )
            steps.append(
                Step(title, datetime.fromisoformat(row["first"]), datetime.fromisoformat(row["last"]), words)
            )
    return sorted(steps, key=lambda step: step.start)


def _told(event: Event) -> Step | None:
    words = (text_of(event) or "").partition(": ")[2]
    return step_of(event.type, event.payload, event.occurred_at, words)


def _call(call: ModelCall, strategy: str) -> Step:
    end = call.started_at + timedelta(milliseconds=call.latency_ms)
    said = "" if call.status == "succeeded" else f"{call.status}"
    title = " · ".join(filter(None, (strategy, call.model)))
    return Step(title, call.started_at, end, said, is_part=True)


def _outcomes(rows: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["status"], row["reason"])
        counts[key] = counts.get(key, 0) + row["count"]
    return [
        Outcome(status, reason, count)
        for (status, reason), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _actions(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counts = dict.fromkeys(("buy", "sell", "hold"), 0)
    for row in rows:
        counts[row["action"]] += row["count"]
    return counts


def _troubles(events: Iterable[Event]) -> list[Trouble]:
    grouped: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        key = (str(event.payload.get("operation", "")), str(event.payload.get("message", "")))
        grouped.setdefault(key, []).append(event)
    return [
        Trouble(
            at=same[0].occurred_at,
            operation=operation,
            symbols=list(dict.fromkeys(filter(None, (event.payload.get("symbol") for event in same))))[:8],
            message=message,
            advice=advice_on(operation),
            count=len(same),
        )
        for (operation, message), same in grouped.items()
    ]
