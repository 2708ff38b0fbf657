"""What this system listens to: trades proposed by other services, and hints about our orders."""

from collections.abc import Sequence

from trading.analysis import proposals
from trading.core.work import Work
from trading.domain.events.incoming import IncomingEvent
from trading.errors import BadEventError
from trading.events import order_hints
from trading.events.consuming import Handler, Subscription
from trading.events.outbox import our_source

CONSUMER = "consume_events"
QUEUE = f"orchestrator.{CONSUMER}"


def _take_proposal(event: IncomingEvent) -> Sequence[Work]:
    proposals.propose(event)
    return ()


def _take_hint(event: IncomingEvent) -> Sequence[Work]:
    """Have the broker asked about one of our orders; others' orders are none of our business."""
    client_order_id = event.data.get("clientOrderId")
    if not isinstance(client_order_id, str) or not 0 < len(client_order_id) <= 128:
        raise BadEventError("data.clientOrderId", "was not given, expected the order's name at the broker")
    return order_hints.work_on(client_order_id)


HANDLERS: dict[str, Handler] = {
    "ai-decision.decision.generated": _take_proposal,
    "trading-engine.order.filled": _take_hint,
    "trading-engine.order.failed": _take_hint,
}
TOPICS = tuple(HANDLERS)


def our_subscription() -> Subscription:
    """Return what ``consume_events`` does with events; ours are ignored, we know them."""
    return Subscription(
        consumer=CONSUMER, handlers=HANDLERS, ignored_source=(us := our_source()), own_source=us
    )
