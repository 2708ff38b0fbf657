"""Outcomes of a scope as columns, for the statistics."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Min

from evaluation.domain.observations import Judged, judged
from evaluation.models import Outcome
from evaluation.services.calibration.scopes import ReportScope
from evaluation.services.outcomes.sessions import session_numbers


@dataclass(frozen=True, slots=True)
class Row:
    """One resolved outcome."""

    session: date
    action: str
    confidence: Decimal
    excess: Decimal
    cost: Decimal
    right: bool | None
    missed: bool | None
    is_first: bool
    verdict: str
    verdict_reason: str

    @property
    def gain(self) -> Decimal:
        """What doing as it said earned against equal weight: a purchase after its cost, a sale by what it avoided."""
        return self.excess - self.cost if self.action == "buy" else -self.excess


@dataclass(frozen=True, slots=True)
class Sample:
    """The resolved outcomes of a scope, in order of time, and what is missing of it.

    Args:
        numbers: of sessions, consecutive, by day.
        unresolvable: how many there will never be, by reason.
        waiting: how many are still to come, the next of them at ``next_at`` (market time).
    """

    rows: Sequence[Row]
    numbers: Mapping[date, int]
    unresolvable: Mapping[str, int]
    waiting: int
    next_at: datetime | None

    @property
    def wishes(self) -> list[Row]:
        """Those that wanted to trade: what is calibrated."""
        return [row for row in self.rows if row.action != "hold"]

    @property
    def firsts(self) -> list[Row]:
        """The first opinion of each session and symbol, holds included: what a rank correlation is made of."""
        return [row for row in self.rows if row.is_first]

    def judged(self, rows: Sequence[Row]) -> Judged:
        """Return rows that wanted to trade as the statistics take them."""
        return judged(
            [float(row.confidence) for row in rows], [bool(row.right) for row in rows], self.sessions(rows)
        )

    def sessions(self, rows: Sequence[Row]) -> list[int]:
        """Return the session numbers of rows."""
        return [self.numbers[row.session] for row in rows]


def read_sample(scope: ReportScope) -> Sample:
    """Return what is known of a scope: three queries."""
    every = scope.rows()
    columns = (
        "session", "action", "confidence", "excess_return", "cost", "right", "missed", "is_first", "verdict",
        "verdict_reason",
    )  # fmt: skip
    known = every.filter(excess_return__isnull=False).order_by("as_of", "pk").values_list(*columns)
    rows = [Row(*values) for values in known.iterator()]
    odd: Any = every.exclude(reason="").order_by().values_list("reason").annotate(count=Count("pk"))
    ahead = every.filter(resolved_at__isnull=True).aggregate(count=Count("pk"), first=Min("due_at"))
    return Sample(
        rows,
        session_numbers([row.session for row in rows]),
        dict(odd),
        ahead["count"],
        ahead["first"],
    )


def trials(scope: ReportScope, sample: Sample) -> int:
    """Return how many variants were tried on the same sessions by the same label: every one is a look."""
    if not sample.rows:
        return 1
    rows = Outcome.objects.filter(
        label_spec=scope.label_spec,
        session__gte=sample.rows[0].session,
        session__lte=sample.rows[-1].session,
        excess_return__isnull=False,
    )
    variant = ("model", "answered_model", "strategy_id", "strategy_version", "prompt_version")
    count: int = rows.order_by().values(*variant).distinct().count()
    return max(1, count)


def reasons(rows: Sequence[Row]) -> list[str]:
    """Return the gate's reasons for a denial, the most frequent first."""
    counts = Counter(row.verdict_reason for row in rows if row.verdict == Outcome.Verdict.DENIED)
    return [reason for reason, _ in counts.most_common()]
