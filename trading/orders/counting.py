"""How often an order was posted, counted on its row before a request leaves.

Whoever is killed then has posted once too often, never once too seldom.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.models import F

from trading.domain.statuses import OrderStatus
from trading.models import Order
from trading.orders.attempts import Attempt, StaleAttemptError

_COUNT = (
    "UPDATE orders SET posts = posts + 1, quantity = %s WHERE id = %s AND status = %s AND lease_until = %s"
)


def count_post(order: Order) -> None:
    """Count the request that leaves next, with the quantity it is for; an entry's first is counted by its claim.

    Raises:
        StaleAttemptError: somebody else has the order.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [order.quantity, order.pk, OrderStatus.SUBMITTING, order.lease_until])
        if not cursor.rowcount:
            raise StaleAttemptError(f"{order.client_order_id}: somebody else has it")


@contextmanager
def counted(attempt: Attempt) -> Iterator[None]:
    """Take back what was counted where not a byte has left, provably."""
    try:
        yield
    finally:
        if not attempt.is_out:
            Order.objects.filter(pk=attempt.order.pk, posts__gt=0).update(posts=F("posts") - 1)
