"""Orders without a saga are followed to their end."""

import pytest

from tests.factories import make_engagement, make_order, make_strategy, make_trade
from tests.trading.outside import STOCK, Outside
from tests.waiting import wait_until
from trading.core.work import Work, WorkKind
from trading.execution.operator_stop import sell_everything
from trading.execution.portfolio import sync_portfolio
from trading.execution.unattended_orders import follow_order
from trading.models import Order, Position, Strategy, Trade
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


def bought(strategy: Strategy, quantity: int) -> Trade:
    """Write the trade of an entry of the strategy."""
    order = make_order(symbol=STOCK, side="buy", status="filled")
    return make_trade(order=order, symbol=STOCK, side="buy", quantity=quantity, strategy=strategy)


def test_sale_of_everything_is_booked_at_once_for_the_strategy_that_bought(account: Outside) -> None:
    """Not by the next reconciliation, an hour later, and for nobody."""
    account.hold(STOCK, "2")
    sync_portfolio(None)
    small, large = make_strategy(), make_strategy()
    bought(small, 1), bought(large, 3)

    sell_everything(make_engagement(), actor="ada")

    trade = Trade.objects.get(side="sell")
    assert (trade.symbol, trade.quantity, trade.strategy) == (STOCK, 2, large)


def test_sale_that_ends_later_is_booked_when_it_has_ended(account: Outside, resting: Order) -> None:
    account.venue.request("DELETE", f"/v2/orders/{resting.broker_order_id}")

    follow_order(resting.pk)

    trade = Trade.objects.get()
    assert (trade.order, trade.quantity, trade.strategy) == (resting, 1, None)


def test_strategy_that_has_sold_what_it_bought_owns_no_later_loss(account: Outside) -> None:
    past, present = make_strategy(), make_strategy()
    bought(past, 5), bought(present, 1)
    sale = make_order(symbol=STOCK, side="sell", status="filled")
    make_trade(order=sale, symbol=STOCK, side="sell", quantity=5, strategy=past)
    account.hold(STOCK, "1")

    sell_everything(make_engagement(), actor="ada")

    assert Trade.objects.latest("booked_at").strategy == present
