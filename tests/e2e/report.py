"""What a system did, for the report of a test that failed: its tables, its events and its logs in short."""

from collections import Counter
from collections.abc import Iterator

from tests.e2e.system import System
from trading.models import AIDecision, Cycle, Event, Order
from trading.queries.event_words import line_of

LOG_LINES, EVENTS = 15, 60


def sections(systems: list[System]) -> Iterator[tuple[str, str]]:
    """Yield titles and texts: what is stored, what was told, what each process wrote last."""
    yield "stored", "\n".join(_stored())
    told = [line_of(event) or event.type for event in Event.objects.order_by("-occurred_at")[:EVENTS]]
    yield f"the last {EVENTS} events", "\n".join(reversed(told))
    for system in systems:
        for name in system.names:
            yield f"log of {name}", "\n".join(system.log(name).splitlines()[-LOG_LINES:])


def _stored() -> Iterator[str]:
    for cycle in Cycle.objects.order_by("started_at"):
        yield f"{cycle}: {cycle.status}, {cycle.stage}, {cycle.reason!r}; errors {cycle.errors}"
        decisions = AIDecision.objects.filter(cycle=cycle).values_list("action", "status", "reason")
        yield f"  decisions {dict(Counter(decisions))}"
        orders = Order.objects.filter(cycle_id=cycle.pk).values_list("status", "broker_message")
        yield f"  orders {dict(Counter(orders))}"
