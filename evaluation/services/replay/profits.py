"""What a decision and its replay would have earned by now, from the outcome that is known of it; nothing was traded."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from evaluation.domain.figures import Figure, Window, joint_window
from evaluation.domain.intervals import Basis, mean_figure
from evaluation.models import Outcome, ReplayItem, Run
from evaluation.services.outcomes.sessions import session_numbers

ZERO, CENT = Decimal(0), Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Profit:
    """USD after so many sessions, net of buying and selling again; None where nobody knows what the gate would say."""

    sessions: int
    was: Decimal | None
    would_be: Decimal | None

    @property
    def change(self) -> Decimal | None:
        """What the replay is better by."""
        return None if self.was is None or self.would_be is None else self.would_be - self.was


@dataclass(frozen=True, slots=True)
class Earned:
    """What all decisions of a run with a known outcome would have earned after so many sessions, USD.

    Args:
        change: the mean of what each decision is better by, USD: paired, with its interval.
    """

    sessions: int
    was: Decimal
    would_be: Decimal
    change: Figure

    @property
    def total_change(self) -> Decimal:
        """What the replay is better by over all."""
        return self.would_be - self.was

    def to_json(self) -> dict[str, Any]:
        """Return it as REST and the command tell it."""
        return {
            "sessions": self.sessions,
            "wasUsd": str(self.was),
            "wouldBeUsd": str(self.would_be),
            "changeUsd": str(self.total_change),
            "meanChangeUsd": self.change.to_json(),
        }


@dataclass(frozen=True, slots=True)
class _Known:
    """What came of a decision: as its outcome of one horizon has it."""

    sessions: int
    earned: Decimal
    cost: Decimal
    price: Decimal
    session: date
    window: Window


def profits_of(items: Iterable[ReplayItem]) -> dict[UUID, tuple[Profit, ...]]:
    """Return what is known of each item, by its id, the nearest horizon first; one query for all.

    A purchase earns the symbol's own return on what the gate let through, a sale what it spared. Outcomes are kept of a
    session's first opinion, and its first wish to trade: of other decisions nothing is known.
    """
    rows = list(items)
    known = _known({row.decision_id for row in rows})
    return {
        row.pk: tuple(
            Profit(each.sessions, _usd(row.before, each), _usd(row.after, each))
            for each in known.get(row.decision_id, ())
        )
        for row in rows
    }


def earned_by(run: Run) -> list[Earned]:
    """Return what a run's decisions would have earned, the nearest horizon first; two queries.

    Of one under other rules what stays as it was is not on record: it is no change, and not among the n.
    """
    names = ("action", "verdict")
    columns = [f"{side}__{name}" for side in ("before", "after") for name in names]
    rows = list(run.items.order_by("as_of", "pk").values_list("decision_id", *columns))
    known = _known({row[0] for row in rows})
    pairs: dict[int, list[tuple[_Known, Decimal, Decimal]]] = {}
    for decision, *values in rows:
        before, after = dict(zip(names, values[:2], strict=True)), dict(zip(names, values[2:], strict=True))
        for each in known.get(decision, ()):
            was, would_be = _usd(before, each), _usd(after, each)
            if was is not None and would_be is not None:
                pairs.setdefault(each.sessions, []).append((each, was, would_be))
    return [_earned(sessions, pairs[sessions]) for sessions in sorted(pairs)]


def _earned(sessions: int, pairs: Sequence[tuple[_Known, Decimal, Decimal]]) -> Earned:
    numbers = session_numbers([each.session for each, _, _ in pairs])
    change = mean_figure(
        [float(would_be - was) for _, was, would_be in pairs],
        [numbers[each.session] for each, _, _ in pairs],
        Basis(horizon=sessions, window=joint_window(each.window for each, _, _ in pairs)),
    )
    was = sum((was for _, was, _ in pairs), ZERO)
    would_be = sum((would_be for *_, would_be in pairs), ZERO)
    return Earned(sessions, was, would_be, change)


def _known(decisions: Collection[UUID]) -> dict[UUID, list[_Known]]:
    """Return the outcomes of decisions, by decision, the nearest horizon first."""
    known: dict[UUID, list[_Known]] = {}
    for decision, found in _outcomes(decisions):
        known.setdefault(decision, []).append(found)
    return known


def _outcomes(decisions: Collection[UUID]) -> Iterator[tuple[UUID, _Known]]:
    rows = Outcome.objects.filter(decision_id__in=decisions, symbol_return__isnull=False, price__isnull=False)
    columns = ("decision_id", "horizon", "symbol_return", "cost", "price", "session", "window")
    for decision, sessions, earned, cost, price, session, window in rows.order_by("horizon").values_list(
        *columns
    ):
        if earned is not None and price is not None:
            yield decision, _Known(sessions, earned, cost, price, session, Window(window))


def _usd(side: Mapping[str, Any], known: _Known) -> Decimal | None:
    verdict, action = side["verdict"], side["action"]
    if action not in ("buy", "sell"):
        return None if action is None else ZERO
    if verdict is None:
        return None
    if not verdict["allowed"]:
        return ZERO
    notional = Decimal(verdict["quantity"]) * known.price
    return (notional * ((known.earned if action == "buy" else -known.earned) - known.cost)).quantize(CENT)
