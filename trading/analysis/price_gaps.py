"""Read from a cycle's events why each of its symbols has no price."""

from uuid import UUID

from trading.domain.prices import Missing, NoPrice
from trading.models import Event

STEPS = ("cycle.step.stocks", "cycle.step.coins")


def gaps_of(cycle_id: UUID) -> dict[str, Missing]:
    """Return the reason for every symbol that a fetch of the cycle left without a price; the last word counts."""
    found: dict[str, Missing] = {}
    said = Event.objects.filter(aggregate_type="cycle", aggregate_id=str(cycle_id), type__in=STEPS)
    for payload in said.order_by("sequence").values_list("payload", flat=True):
        for symbol, (reason, detail) in payload.get("reasons", {}).items():
            found[symbol] = Missing(NoPrice(reason), detail)
    return found
