"""Two who adopt the same stranger's order at the same time."""

from tests.risk.threads import at_once
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import ago
from tests.waiting import wait_until
from trading.execution.reconciliation import reconcile
from trading.models import Fill, Order


def test_reconciliations_at_once_adopt_a_stranger_once(threaded_account: Outside) -> None:
    client_order_id = f"stranger-{ago():%H%M%S%f}"
    threaded_account.place(STOCK, "2", client_order_id=client_order_id)
    wait_until(lambda: STOCK in threaded_account.positions(), what="it is filled")

    reports = at_once(3, lambda _: reconcile())

    assert sum(client_order_id in report.adopted for report in reports) == 1
    order = Order.objects.get(client_order_id=client_order_id)
    assert (order.status, Fill.objects.filter(order=order).count()) == ("filled", 1)
