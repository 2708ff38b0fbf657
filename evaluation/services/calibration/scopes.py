"""Whose decisions a report is about, and which scopes have outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.errors import SelectionError
from evaluation.models import CalibrationReport, Outcome
from risk.domain.trust import ANY, Scope
from trading.models import Strategy

DEFAULT_LABEL = LabelSpec.FIVE_SESSIONS
# What a language model may remember earns nothing; so does what nobody can say of its training.
SPEAKING = (Window.CLEAN, Window.UNTRAINED)


@dataclass(frozen=True, slots=True)
class ReportScope:
    """One model as it answers now, one label, one window.

    Args:
        strategy_id: None: of any strategy; ``prompt_version`` ``*``: of any prompt.
        first: session from which on, inclusive, as ``last``; None: all.
    """

    model: str
    answered_model: str
    label_spec: LabelSpec
    window: Window
    strategy_id: UUID | None = None
    prompt_version: str = ANY
    first: date | None = None
    last: date | None = None

    @property
    def trust_scope(self) -> Scope:
        """Whose entries a curve of this report would size."""
        strategy = ANY if self.strategy_id is None else str(self.strategy_id)
        return Scope(self.model, strategy, self.prompt_version, self.answered_model)

    def rows(self) -> QuerySet[Outcome]:
        """Return all outcomes of the scope, resolved or not."""
        found = _asked(self.first, self.last).filter(
            model=self.model,
            answered_model=self.answered_model,
            label_spec=self.label_spec,
            window=self.window,
        )
        if (
            self.strategy_id is None
        ):  # what a shadow wanted on the same inputs is no further evidence of the model
            found = found.filter(origin=Outcome.Origin.LIVE)
        else:
            found = found.filter(strategy_id=self.strategy_id)
        return found if self.prompt_version == ANY else found.filter(prompt_version=self.prompt_version)


def scope_of(report: CalibrationReport) -> ReportScope:
    """Return the scope of a stored report, of all its sessions."""
    return ReportScope(
        report.model,
        report.answered_model,
        LabelSpec(report.label_spec),
        Window(report.window),
        report.strategy_id,
        report.prompt_version,
    )


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asks for, each part optional; a strategy by its name."""

    model: str = ""
    strategy: str = ""
    label: str = ""
    window: str = ""
    first: str = ""
    last: str = ""


def asked_scopes(question: Question) -> list[ReportScope]:
    """Return the scopes that answer a question.

    Raises:
        SelectionError: a part of it is unknown; the message says what was expected.
    """
    label = _member(LabelSpec, "--label", question.label) or DEFAULT_LABEL
    window = _member(Window, "--window", question.window)
    first, last = _day("--from", question.first), _day("--to", question.last)
    if first and last and last < first:
        raise SelectionError(f"--to: was {last}, expected a day from {first} on")
    strategy = _strategy(question.strategy)
    found = [
        replace(scope, first=first, last=last)
        for scope in scopes([label], strategy=strategy)
        if window in (None, scope.window) and question.model in ("", scope.model, scope.answered_model)
    ]
    if question.model and not found and not Outcome.objects.filter(model=question.model).exists():
        known = ", ".join(Outcome.objects.order_by("model").values_list("model", flat=True).distinct()[:20])
        expected = known or "none has decided anything yet"
        raise SelectionError(f"--model: was {question.model!r}, expected one that has outcomes: {expected}")
    return found


def scopes(labels: Sequence[LabelSpec], *, strategy: UUID | None = None) -> list[ReportScope]:
    """Return the scopes that have decisions: each model whole, and its parts where it has several.

    Of a shadow strategy there is its part alone: a model whole is what it said to those that trade.

    Args:
        strategy: its parts alone, by prompt version.
    """
    found: list[ReportScope] = []
    rows = Outcome.objects.filter(label_spec=LabelSpec.ONE_SESSION, excess_return__isnull=False)
    if strategy is not None:
        rows = rows.filter(strategy_id=strategy)
    columns = ("model", "answered_model", "window", "strategy_id", "prompt_version", "origin")
    parts: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows.order_by(*columns).values(*columns).distinct():
        parts.setdefault((row["model"], row["answered_model"], row["window"]), []).append(row)
    for label in labels:
        for (model, answered_model, window), mine in parts.items():
            whole = ReportScope(model, answered_model, label, Window(window))
            lives = [part for part in mine if part["origin"] == Outcome.Origin.LIVE]
            found += [whole] if strategy is None and lives else []
            found += _parts(whole, mine) if len(mine) > 1 or not lives or strategy is not None else []
    return found


def _parts(whole: ReportScope, parts: Sequence[Mapping[str, Any]]) -> list[ReportScope]:
    owners = {(part["strategy_id"], part["prompt_version"]): None for part in parts if part["prompt_version"]}
    return [replace(whole, strategy_id=strategy, prompt_version=prompt) for strategy, prompt in owners]


def _asked(first: date | None, last: date | None) -> QuerySet[Outcome]:
    rows = Outcome.objects.all()
    rows = rows if first is None else rows.filter(session__gte=first)
    return rows if last is None else rows.filter(session__lte=last)


def _member(kind: Any, name: str, said: str) -> Any:
    if not said:
        return None
    try:
        return kind(said)
    except ValueError:
        raise SelectionError(f"{name}: was {said!r}, expected one of {', '.join(kind)}") from None


def _day(name: str, said: str) -> date | None:
    if not said:
        return None
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise SelectionError(f"{name}: was {said!r}, expected a day such as 2026-10-01") from None


def _strategy(name: str) -> UUID | None:
    if not name:
        return None
    found = Strategy.objects.filter(name=name).values_list("pk", flat=True).first()
    if found is None:
        known = (
            ", ".join(Strategy.objects.order_by("name").values_list("name", flat=True)[:20])
            or "there is none"
        )
        raise SelectionError(f"--strategy: was {name!r}, expected the name of one: {known}")
    return found
