"""What a decision and its replay would have earned by now, from the outcome that is known of it; nothing was traded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from evaluation.models import Outcome, ReplayItem

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


def profits_of(items: Iterable[ReplayItem]) -> dict[UUID, tuple[Profit, ...]]:
    """Return what is known of each item, by its id, the nearest horizon first; one query for all.

    A purchase earns the symbol's own return on what the gate let through, a sale what it spared. Outcomes are kept of a
    session's first opinion, and its first wish to trade: of other decisions nothing is known.
    """
    rows = list(items)
    known: dict[UUID, list[tuple[int, Decimal, Decimal, Decimal]]] = {}
    outcomes = Outcome.objects.filter(
        decision_id__in={row.decision_id for row in rows}, symbol_return__isnull=False
    )
    columns = outcomes.order_by("horizon").values_list(
        "decision_id", "horizon", "symbol_return", "cost", "price"
    )
    for decision, sessions, earned, cost, price in columns:
        if earned is not None and price is not None:
            known.setdefault(decision, []).append((sessions, earned, cost, price))
    return {
        row.pk: tuple(
            Profit(sessions, _usd(row.before, earned, cost, price), _usd(row.after, earned, cost, price))
            for sessions, earned, cost, price in known.get(row.decision_id, ())
        )
        for row in rows
    }


def _usd(side: Mapping[str, Any], earned: Decimal, cost: Decimal, price: Decimal) -> Decimal | None:
    verdict, action = side["verdict"], side["action"]
    if action not in ("buy", "sell"):
        return None if action is None else ZERO
    if verdict is None:
        return None
    if not verdict["allowed"]:
        return ZERO
    notional = Decimal(verdict["quantity"]) * price
    return (notional * ((earned if action == "buy" else -earned) - cost)).quantize(CENT)
