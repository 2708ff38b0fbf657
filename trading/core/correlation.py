"""Find the cycle a piece of work belongs to: its id goes on every log line, as the correlation id."""

from uuid import UUID

from django.db import connection

from trading.models import AIDecision, Order, Saga

_CYCLE_OF = {
    name: f"SELECT cycle_id FROM {model._meta.db_table} WHERE id = %s"  # noqa: S608 - our own tables
    for name, model in (("decision_id", AIDecision), ("saga_id", Saga), ("order_id", Order))
}


def correlation_ids(name: str, pk: str) -> dict[str, str]:
    """Return the ids to bind to the log: what a task was given, and its cycle.

    Args:
        name: ``cycle_id``, ``decision_id``, ``saga_id`` or ``order_id``.
    """
    ids = {name: pk}
    if name not in _CYCLE_OF:
        return ids
    with connection.cursor() as cursor:
        cursor.execute(_CYCLE_OF[name], [UUID(pk)])
        found = cursor.fetchone()
    return ids | ({"cycle_id": str(found[0])} if found and found[0] else {})
