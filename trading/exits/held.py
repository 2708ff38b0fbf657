"""What is held and what protects it, read at one moment in one statement: what each round of the exits begins with."""

from collections.abc import Mapping
from dataclasses import dataclass

from risk.services import switch
from trading.core.statements.together import first, read_together
from trading.domain.order_ids import Purpose
from trading.models import AgentStatus, Order, Position, Saga
from trading.orders.legs import parents_without_legs
from trading.protection.coverage import Coverage, coverage_of


@dataclass(frozen=True, slots=True)
class Held:
    """Positions by symbol, the orders that protect them, and what stands beside.

    Args:
        busy: symbols whose position is about to change by an order of ours that has not ended, or is not booked.
        is_switch_engaged: then nothing is posted, and nothing sold.
        are_legs_unknown: of an order that brought some.
    """

    positions: Mapping[str, Position]
    coverage: Mapping[str, Coverage]
    busy: frozenset[str]
    is_switch_engaged: bool
    are_legs_unknown: bool
    agent: AgentStatus | None


def read_held() -> Held:
    """Read it, by our own record: needs nothing but the database."""
    under_way = Order.objects.open().filter(purpose__in=[Purpose.ENTRY, Purpose.EXIT, Purpose.FLATTEN])
    unbooked = Order.objects.filter(pk__in=Saga.objects.open().values("order_id"))
    read = read_together(
        {
            "positions": Position.objects.all(),
            "protecting": Order.objects.protecting().order_by("created_at"),
            "under_way": under_way.only("pk", "symbol"),
            "unbooked": unbooked.only("pk", "symbol"),
            "engagement": switch.engagements(),
            "without_legs": parents_without_legs().only("pk"),
            "agent": AgentStatus.objects.filter(pk=1),
        }
    )
    return Held(
        positions={position.symbol: position for position in read["positions"]},
        coverage=coverage_of(read["protecting"]),
        busy=frozenset(order.symbol for order in (*read["under_way"], *read["unbooked"])),
        is_switch_engaged=bool(read["engagement"]),
        are_legs_unknown=bool(read["without_legs"]),
        agent=first(read["agent"]),
    )
