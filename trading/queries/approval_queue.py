"""The approval queue as a person reads it: each request with its price now and the gate's answer now."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from uuid import UUID

from django.utils import timezone

from risk.domain.numbers import HUNDRED
from trading.models import Approval
from trading.queries.gate_preview import GatePreview, preview_all


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One open request; ``preview`` is what the gate would answer at the last known price.

    ``seconds_left`` is rounded up: the page calls nothing expired that the server would still take.
    """

    approval: Approval
    preview: GatePreview
    seconds_left: int

    @property
    def price_now(self) -> Decimal | None:
        """The last known price, USD per base unit."""
        return self.preview.price_now

    @property
    def moved_percent(self) -> Decimal | None:
        """How far the price has moved since the decision, None where either is not known."""
        then, now = self.approval.decision.price, self.price_now
        return (now / then - 1) * HUNDRED if then and now else None


def queue_lines(*, most: int, only: Sequence[UUID] | None = None) -> tuple[QueueLine, ...]:
    """Return the open requests, newest first, at most ``most``; with ``only``, those among them."""
    now = timezone.now()
    waiting = Approval.objects.waiting(now)
    if only is not None:
        waiting = waiting.filter(pk__in=only)
    rows = list(waiting.select_related("decision__strategy").order_by("-requested_at", "-id")[:most])
    previews = preview_all([row.decision for row in rows])
    return tuple(
        QueueLine(row, previews[row.decision_id], ceil((row.expires_at - now).total_seconds()))
        for row in rows
    )
