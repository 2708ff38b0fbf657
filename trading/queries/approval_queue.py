"""The approval queue as a person reads it: each request with its price now and the gate's answer now."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from uuid import UUID

from django.utils import timezone

from risk.domain.numbers import HUNDRED, ZERO
from trading.models import Approval, EquitySnapshot, Position
from trading.queries.gate_preview import GatePreview, preview_all


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One open request; ``preview`` is what the gate would answer at the last known price.

    ``held`` is in base units, ``held_value`` and ``equity`` in USD, as last synced.
    ``seconds_left`` is rounded up: the page calls nothing expired that the server would still take.
    """

    approval: Approval
    preview: GatePreview
    seconds_left: int
    held: Decimal = ZERO
    held_value: Decimal = ZERO
    equity: Decimal | None = None

    @property
    def held_percent(self) -> Decimal | None:
        """What is held of the symbol, in percent of equity."""
        return self._percent(self.held_value)

    @property
    def percent_after(self) -> Decimal | None:
        """What would be held after an order of the gate's size, in percent of equity; None where it would deny."""
        verdict = self.preview.verdict
        if not verdict.allowed or verdict.notional is None:
            return None
        sign = 1 if self.approval.decision.action == "buy" else -1
        return self._percent(self.held_value + sign * verdict.notional)

    def _percent(self, value: Decimal) -> Decimal | None:
        return value / self.equity * HUNDRED if self.equity else None

    @property
    def price_now(self) -> Decimal | None:
        """The last known price, USD per base unit."""
        return self.preview.price_now

    @property
    def moved_percent(self) -> Decimal | None:
        """How far the price has moved since the decision, None where either is not known."""
        then, now = self.approval.decision.price, self.price_now
        return (now / then - 1) * HUNDRED if then and now else None


def queue_lines(*, most: int, only: Sequence[UUID] | None = None, first: int = 0) -> tuple[QueueLine, ...]:
    """Return the open requests, newest first, at most ``most`` from the ``first``; with ``only``, those among them."""
    now = timezone.now()
    waiting = Approval.objects.waiting(now)
    if only is not None:
        waiting = waiting.filter(pk__in=only)
    rows = list(
        waiting.select_related("decision__strategy", "decision__model_call")
        .defer("decision__model_call__prompt", "decision__model_call__answer")
        .order_by("-requested_at", "-id")[first : first + most]
    )
    previews = preview_all([row.decision for row in rows])
    positions = Position.objects.in_bulk([row.decision.symbol for row in rows])
    money = EquitySnapshot.objects.newest()
    return tuple(
        QueueLine(
            approval=row,
            preview=previews[row.decision_id],
            seconds_left=ceil((row.expires_at - now).total_seconds()),
            held=held.quantity if (held := positions.get(row.decision.symbol)) else ZERO,
            held_value=held.exposure if held else ZERO,
            equity=money.equity if money else None,
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many requests wait, and the one that ends first."""

    count: int
    urgent: Approval


def most_urgent(count: int) -> Waiting | None:
    """Return what waits for a person; None: nothing does.

    Args:
        count: how many wait, which the caller has read.
    """
    waiting = Approval.objects.waiting(timezone.now()).select_related("decision")
    urgent = waiting.order_by("expires_at", "pk").first() if count else None
    return Waiting(count, urgent) if urgent else None


def waiting_count() -> int:
    """Return how many open requests wait, whatever a page shows."""
    return Approval.objects.waiting(timezone.now()).count()
