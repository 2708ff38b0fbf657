"""Outcomes of simulated agents of which the truth is known, written straight into the table."""

import itertools
import zlib
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from uuid6 import uuid7

from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.models import CalibrationReport, EvaluationRecord, Outcome
from evaluation.services.calibration.reports import report_of, store
from evaluation.services.calibration.scopes import ReportScope
from evaluation.services.outcomes.costs import round_trip_cost
from evaluation.services.outcomes.sessions import sessions_around
from tests.evaluation.services.years import BUILTIN
from trading.market.exchange_calendar import session_closes

FIRST = date(2026, 1, 5)
STRATEGY = UUID("01990000-0000-7000-8000-000000000001")
SPREAD = 0.02
_numbers = itertools.count(1)


def states(*levels: float) -> Callable[[np.random.Generator], float]:
    """Return who states one of some confidences, as often each."""
    return lambda random: float(random.choice(levels))


SOME_LEVELS = states(0.55, 0.65, 0.75, 0.85, 0.95)


def scene() -> EvaluationRecord:
    """Return any record of prices."""
    body = zlib.compress(b'{"symbols": {}}')
    return EvaluationRecord.objects.get_or_create(sha256="5" * 64, defaults={"body": body})[0]


def live(
    sessions: int,
    *,
    right: Callable[[float], float],
    stated: Callable[[np.random.Generator], float] = SOME_LEVELS,
    symbols: int = 10,
    model: str = BUILTIN,
    answered_model: str = "",
    window: str = "untrained",
    label: LabelSpec = LabelSpec.FIVE_SESSIONS,
    seed: int = 1,
    strategy: UUID = STRATEGY,
    actions: Sequence[str] = ("buy",),
    first: date = FIRST,
) -> None:
    """Write decisions a session as an agent makes them, all resolved.

    Args:
        right: how likely a decision stated at a confidence is to be right.
    """
    random = np.random.default_rng(seed)
    days = session_closes(first, first + timedelta(days=2 * sessions + 10))[:sessions]
    ahead = sessions_around(days[0][0], days[-1][0])
    place = {each.day: n for n, each in enumerate(ahead)}
    rows, record = [], scene()
    for day, closes_at in days:
        for number in range(symbols):
            confidence = round(stated(random), 2)
            action = str(random.choice(actions))
            is_right = bool(random.random() < right(confidence))
            due = ahead[place[day] + label.horizon]
            rows.append(
                _row(
                    f"S{number}", day, closes_at, due.closes_at, action, confidence, is_right, random, record
                )
            )
            values = {"model": model, "answered_model": answered_model, "window": window, "label_spec": label}
            for name, value in values.items():
                setattr(rows[-1], name, value)
            rows[-1].horizon, rows[-1].strategy_id = label.horizon, strategy
    Outcome.objects.bulk_create(rows)
    if label != LabelSpec.ONE_SESSION:
        _with_one_session(rows)


def _with_one_session(rows: Sequence[Outcome]) -> None:
    """Every decision has all labels; which scopes there are is read from the shortest."""
    one = rows[0]
    one.pk, one.label_spec, one.horizon = uuid7(), LabelSpec.ONE_SESSION, 1
    one.save(force_insert=True)


def _row(
    symbol: str,
    day: date,
    closes_at: datetime,
    due_at: datetime,
    action: str,
    confidence: float,
    is_right: bool,
    random: np.random.Generator,
    record: EvaluationRecord,
) -> Outcome:
    cost = round_trip_cost(symbol)
    size = Decimal(f"{abs(random.normal(0, SPREAD)) + 1e-4:.8f}")
    sign = {"buy": 1, "sell": -1, "hold": 1}[action] * (1 if is_right else -1)
    excess = sign * size + (cost if action != "sell" else 0)
    return Outcome(
        decision_id=uuid7(),
        cycle_id=uuid7(),
        as_of=closes_at - timedelta(hours=4),
        session=day,
        symbol=symbol,
        strategy_version=1,
        prompt_version="decisions-v2",
        action=action,
        confidence=Decimal(f"{confidence:.2f}"),
        price=Decimal(100),
        is_first=True,
        scene=record,
        cost=cost,
        due_at=due_at,
        resolved_at=due_at + timedelta(hours=6),
        excess_return=excess,
        symbol_return=excess,
        universe_return=Decimal(0),
        right=None if action == "hold" else is_right,
        missed=is_right if action == "hold" else None,
        members=10,
        verdict="passed" if action == "buy" and confidence >= 0.7 else "denied" if action == "buy" else "",
        verdict_reason="low_confidence" if action == "buy" and confidence < 0.7 else "",
    )


def make_outcome(**overrides: Any) -> Outcome:
    """Write one resolved outcome, of a symbol of its own."""
    day, closes_at = session_closes(FIRST, FIRST + timedelta(days=3))[0]
    random = np.random.default_rng(1)
    row = _row(f"X{next(_numbers)}", day, closes_at, closes_at, "buy", 0.8, True, random, scene())
    row.model, row.window, row.label_spec, row.horizon = BUILTIN, "untrained", LabelSpec.FIVE_SESSIONS, 5
    row.strategy_id = STRATEGY
    for name, value in overrides.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    return row


def make_report(sessions: int = 3, **more: Any) -> CalibrationReport:
    """Write the report of a strategy's first sessions, and of what its model decided for others."""
    live(sessions, **({"right": lambda stated: stated, "strategy": uuid7()} | more))
    scope = ReportScope(
        more.get("model", BUILTIN),
        more.get("answered_model", ""),
        LabelSpec.FIVE_SESSIONS,
        Window(more.get("window", "untrained")),
    )
    report = report_of(scope)
    assert report is not None
    return store(report)
