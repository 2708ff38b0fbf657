"""What counts as an opinion, whoever had it, and the rows of its outcomes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from ai.cutoffs import Cutoffs
from evaluation.domain.outcomes import LabelSpec, Session, due_session
from evaluation.models import Outcome
from evaluation.services.outcomes.costs import round_trip_cost
from evaluation.services.outcomes.windows import window_for


@dataclass(frozen=True, slots=True)
class Opinion:
    """A decision that may count."""

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


def kept(opinions: Iterable[Opinion]) -> Iterator[tuple[Opinion, bool]]:
    """Yield what was not noted before of each owner's session: the first of all, and the first wish to trade."""
    by_owner: dict[tuple[object, ...], list[Opinion]] = {}
    for each in opinions:
        by_owner.setdefault(each.owner, []).append(each)
    sessions = {each.session for group in by_owner.values() for each in group}
    have_first, have_wish = noted(sessions, Outcome.Origin.LIVE)
    for owner, group in by_owner.items():
        first = min(group, key=lambda each: (each.as_of, each.id))
        if owner not in have_first:
            yield first, True
        wish = next((each for each in group if each.wants), None)
        if wish is not None and owner not in have_wish and (wish is not first or owner in have_first):
            yield wish, False


def noted(
    sessions: Iterable[date], origin: Outcome.Origin
) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    """Return the owners that have a first opinion of these sessions on record, and those with a wish to trade."""
    whose = ("session", "symbol", "strategy_id", "model", "answered_model", "prompt_version")
    rows = Outcome.objects.filter(session__in=list(sessions), origin=origin, label_spec=LabelSpec.ONE_SESSION)
    first, wish = set(), set()
    for *owner, is_first, action in rows.values_list(*whose, "is_first", "action").iterator():
        if is_first:
            first.add(tuple(owner))
        if action != "hold":
            wish.add(tuple(owner))
    return first, wish


def rows_of(
    opinion: Opinion,
    *,
    origin: Outcome.Origin,
    is_first: bool,
    scene: str,
    sessions: Sequence[Session],
    cutoffs: Cutoffs,
) -> Iterator[Outcome]:
    """Yield a row for each label."""
    verdict = {"true": Outcome.Verdict.PASSED, "false": Outcome.Verdict.DENIED}.get(opinion.allowed, "")
    day = opinion.as_of.date()
    for spec in LabelSpec:
        due = due_session(opinion.as_of, sessions, horizon=spec.horizon)
        if due is None:
            raise AssertionError(f"no session is listed {spec.horizon} after {opinion.as_of}")
        yield Outcome(
            origin=origin,
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
