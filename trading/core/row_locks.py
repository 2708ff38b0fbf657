"""Row locks that several modules take, by name; each lasts until the surrounding transaction ends.

``risk.services.locks`` has the one order of all locks. A row that one module alone locks is locked there.
"""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet

from trading.core.statements.compiled_reads import CompiledRead
from trading.models import AgentStatus, Order

_ORDER = CompiledRead(lambda pk: Order.objects.select_for_update(of=("self",)).filter(pk=pk), of=UUID)


def locked_agent() -> AgentStatus:
    """Wait for the one row of the agent's status and lock it: mode, trading state, account, counts of failures.

    Its lock also makes the sequences of the events about the agent and about reconciliation gapless.
    """
    return agent_to_lock().get()


def agent_to_lock() -> QuerySet[AgentStatus]:
    """Return the query that does so, for who reads more with it."""
    return AgentStatus.objects.select_for_update().filter(pk=1)


def locked_orders(order_ids: Collection[UUID]) -> list[Order]:
    """Wait for the rows of many orders and lock them, in the order of their keys; decisions and strategies are read."""
    rows = Order.objects.select_for_update(of=("self",)).select_related("decision")
    return list(rows.filter(pk__in=order_ids).order_by("pk").prefetch_related("decision__strategy"))


def locked_order(order_id: UUID, *, with_strategy: bool = False) -> Order:
    """Wait for an order's row and lock it: what is read from it stays true until the transaction ends.

    Args:
        with_strategy: read the decision and its strategy in the same query, unlocked.

    Raises:
        Order.DoesNotExist: there is no such order.
    """
    if not with_strategy:
        return _ORDER.get(order_id)
    rows = Order.objects.select_for_update(of=("self",))
    return rows.select_related("decision__strategy").get(pk=order_id)
