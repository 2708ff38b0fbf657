"""Find the cycle a piece of work belongs to: its id goes on every log line, as the correlation id."""

from uuid import UUID

from trading.models import AIDecision, Order, Saga


def correlation_ids(name: str, pk: str) -> dict[str, str]:
    """Return the ids to bind to the log: what a task was given, and its cycle.

    Args:
        name: ``cycle_id``, ``decision_id``, ``saga_id`` or ``order_id``.
    """
    ids = {name: pk}
    if name == "decision_id":
        found = AIDecision.objects.filter(pk=UUID(pk)).values_list("cycle_id", flat=True).first()
    elif name == "saga_id":
        found = Saga.objects.filter(pk=UUID(pk)).values_list("cycle_id", flat=True).first()
    elif name == "order_id":
        found = Order.objects.filter(pk=UUID(pk)).values_list("cycle_id", flat=True).first()
    else:
        return ids
    return ids | ({"cycle_id": str(found)} if found else {})
