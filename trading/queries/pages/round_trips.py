"""What round trips came to beside their money: of their cost, of what was risked, against what was seen."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db.models import (
    Avg,
    Case,
    Count,
    DecimalField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, NullIf, Round

from risk.domain.numbers import HUNDRED, ZERO
from trading.models import RoundTrip

_NUMBER: "DecimalField[Any, Any]" = DecimalField(max_digits=40, decimal_places=12)
_SIGN = Case(When(side="long", then=Value(Decimal(1))), default=Value(Decimal(-1)), output_field=_NUMBER)
BASIS_POINTS = Value(Decimal(10_000))
PLACES = 4  # of what is reckoned


def with_outcome(trips: "QuerySet[RoundTrip]") -> "QuerySet[RoundTrip]":
    """Return them with ``percent`` of what they were opened for, ``r_multiple``, ``slippage_bps`` and ``held_for``.

    R is what was risked at the entry: from its price to the stop of its thesis; null where it had none.
    Slippage is how much worse than what the two decisions saw it was filled, in basis points of that; null where
    neither saw a price. A stop's or a person's exit had no decision, and counts with its entry alone.
    """
    paid = Case(When(side="long", then=F("cost")), default=F("proceeds"), output_field=_NUMBER)
    percent = F("realised_pnl") * Value(HUNDRED) / NullIf(paid, Value(ZERO))
    at_entry = (F("entry_price") - F("entry_decision__price")) * _SIGN
    at_exit = (F("exit_decision__price") - F("exit_price")) * _SIGN
    zero = Value(ZERO, output_field=_NUMBER)
    worse = Coalesce(_exact(at_entry), zero) + Coalesce(_exact(at_exit), zero)
    seen = Coalesce(F("entry_decision__price"), zero) + Coalesce(F("exit_decision__price"), zero)
    return trips.annotate(
        percent=Round(_exact(percent), precision=PLACES),
        r_multiple=Round(
            _exact(F("percent") / NullIf(F("entry_order__thesis__stop_percent"), Value(ZERO))),
            precision=PLACES,
        ),
        slippage_bps=Round(_exact(worse * BASIS_POINTS / NullIf(_exact(seen), zero)), precision=PLACES),
        held_for=F("closed_at") - F("opened_at"),
    )


def _exact(expression: Any) -> Any:
    return ExpressionWrapper(expression, output_field=_NUMBER)


@dataclass(frozen=True, slots=True)
class TripTotals:
    """What round trips came to together; money in USD, ``percent`` of all that they were opened for."""

    count: int
    won: int
    lost: int
    earned: Decimal
    fees: Decimal
    percent: Decimal | None
    mean_r: Decimal | None
    n_r: int
    mean_held: timedelta | None

    @property
    def won_percent(self) -> Decimal | None:
        """How many of them won, in percent; None of none."""
        return Decimal(self.won) / self.count * HUNDRED if self.count else None


def totals_of(trips: "QuerySet[RoundTrip]") -> TripTotals:
    """Sum round trips up in one statement.

    Args:
        trips: of ``with_outcome``.
    """
    opened_for = Case(When(side="long", then=F("cost")), default=F("proceeds"), output_field=_NUMBER)
    found = trips.order_by().aggregate(
        count=Count("pk"),
        won=Count("pk", filter=Q(realised_pnl__gt=0)),
        lost=Count("pk", filter=Q(realised_pnl__lt=0)),
        earned=Coalesce(Sum("realised_pnl"), ZERO, output_field=_NUMBER),
        paid_fees=Coalesce(Sum("fees"), ZERO, output_field=_NUMBER),
        opened_for=Sum(opened_for),
        mean_r=Avg("r_multiple"),
        n_r=Count("r_multiple"),
        mean_held=Avg("held_for"),
    )
    whole = found.pop("opened_for")
    return TripTotals(
        fees=found.pop("paid_fees"),
        percent=found["earned"] / whole * HUNDRED if whole else None,
        **found,
    )
