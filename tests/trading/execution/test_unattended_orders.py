"""Orders without a saga are followed to their end."""

import pytest

from tests.factories import make_engagement
from tests.trading.outside import STOCK, Outside
from tests.waiting import wait_until
from trading.core.work import Work, WorkKind
from trading.execution.portfolio import sync_portfolio
from trading.execution.unattended_orders import follow_order
from trading.models import Order, Position
from trading.safety.flatten import flatten_positions
from trading.work.sweeping import find_work


@pytest.fixture
def resting(account: Outside) -> Order:
    """A flatten order of which one of two shares is sold."""
    account.hold(STOCK, "2")
    sync_portfolio(None)
    account.venue.fault(kind="partial_fill", fraction=0.5)
    flatten_positions(make_engagement())
    wait_until(lambda: account.positions()[STOCK] == 1, what="one of two is sold")
    return Order.objects.get(purpose="flatten")


def test_open_order_without_a_saga_is_found(resting: Order) -> None:
    assert Work(WorkKind.FOLLOW, resting.pk) in find_work()


def test_order_is_brought_to_what_the_broker_says(resting: Order) -> None:
    order = follow_order(resting.pk)

    assert (order.status, order.filled_quantity) == ("partially_filled", 1)


def test_position_is_synced_when_the_order_has_ended(account: Outside, resting: Order) -> None:
    account.venue.request("DELETE", f"/v2/orders/{resting.broker_order_id}")

    order = follow_order(resting.pk)

    assert order.status == "canceled"
    assert Position.objects.get(pk=STOCK).quantity == 1
    assert Work(WorkKind.FOLLOW, resting.pk) not in find_work()
