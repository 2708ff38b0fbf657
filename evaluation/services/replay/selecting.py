"""Which recorded decisions are asked again, as a value that can be stored."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast

from evaluation.errors import SelectionError
from evaluation.services.replay.sources import Source, of_dataset, of_decisions
from trading.models import AIDecision, Cycle

MARKET = ZoneInfo("America/New_York")
SHORTEST_END = 8  # characters of an id that are enough, from its end


@dataclass(frozen=True, slots=True)
class Selection:
    """One decision, a cycle, the sessions from ``first`` to ``last`` (both inclusive), or a data set.

    ``strategy`` narrows a cycle to the decisions of one, by its id.
    """

    decision: str = ""
    cycle: str = ""
    first: str = ""
    last: str = ""
    dataset: str = ""
    strategy: str = ""

    def to_json(self) -> dict[str, str]:
        """Return what is set, as JSON values."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, values: Mapping[str, str]) -> "Selection":
        """Return what ``to_json`` wrote."""
        return cls(**values)

    @property
    def words(self) -> str:
        """What is selected, for a person to read."""
        if self.decision:
            return f"decision {self.decision[-SHORTEST_END:]}"
        if self.strategy:
            return f"one strategy in cycle {self.cycle[-SHORTEST_END:]}"
        if self.cycle:
            return f"cycle {self.cycle[-SHORTEST_END:]}"
        return f"data set {self.dataset}" if self.dataset else f"{self.first} to {self.last}"


def checked(selection: Selection) -> Selection:
    """Return the selection with whole ids.

    Raises:
        SelectionError: it names nothing, several things, or something that is not there.
    """
    named = [selection.decision, selection.cycle, selection.dataset, selection.first or selection.last]
    if sum(map(bool, named)) != 1:
        raise SelectionError("expected one of: a decision, --cycle, --from with --to, --dataset")
    if selection.decision:
        return Selection(decision=str(_whole_id(AIDecision.objects.all(), selection.decision, "decision")))
    if selection.cycle:
        cycle = str(_whole_id(Cycle.objects.all(), selection.cycle, "cycle"))
        return Selection(cycle=cycle, strategy=selection.strategy)
    if selection.dataset:
        next(of_dataset(selection.dataset), None)
        return selection
    first, last = _day("--from", selection.first), _day("--to", selection.last)
    if last < first:
        raise SelectionError(f"--to: was {last}, expected a day from {first} on")
    return selection


def sources_of(selection: Selection, *, wanting_only: bool = False) -> Iterator[Source]:
    """Yield what is selected.

    Args:
        wanting_only: decisions that want to trade alone, without the calls they came of.
    """
    if selection.dataset:
        found = of_dataset(selection.dataset)
        return (each for each in found if each.action != "hold") if wanting_only else found
    rows = rows_of(selection)
    if wanting_only:
        rows = rows.filter(action__in=["buy", "sell"])
    return of_decisions(rows, with_calls=not wanting_only)


def rows_of(selection: Selection) -> QuerySet[AIDecision]:
    """Return the selected decisions that are still in trading's tables; not those of a data set."""
    if selection.decision:
        return AIDecision.objects.filter(pk=selection.decision)
    if selection.cycle:
        of_cycle = AIDecision.objects.filter(cycle_id=selection.cycle)
        return of_cycle.filter(strategy=UUID(selection.strategy)) if selection.strategy else of_cycle
    start, end = _midnight(_day("--from", selection.first)), _midnight(_day("--to", selection.last))
    return AIDecision.objects.filter(as_of__gte=start, as_of__lt=end + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), MARKET)


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SelectionError(f"{name}: was {text!r}, expected a day such as 2026-10-01") from None


def _whole_id(rows: QuerySet[Any], said: str, what: str) -> UUID:
    """Return the id that was said whole, or by its last eight characters or more."""
    plain = said.strip().lower()
    try:
        found = list(rows.filter(pk=UUID(plain)).values_list("pk", flat=True))
    except ValueError:
        if len(plain) < SHORTEST_END:
            raise SelectionError(
                f"{what}: was {said!r}, expected an id, or its last {SHORTEST_END} characters or more"
            ) from None
        ending = rows.annotate(said=Cast("pk", CharField())).filter(said__endswith=plain)
        found = list(ending.values_list("pk", flat=True)[:2])
    if len(found) != 1:
        problem = "there is none" if not found else "there are several"
        raise SelectionError(f"{what}: was {said!r}, but {problem}")
    return UUID(str(found[0]))
