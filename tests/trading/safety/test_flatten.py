"""Flatten sells what is held while the switch is engaged, and nothing else."""

from decimal import Decimal

import pytest

from risk.models import KillSwitch
from tests.factories import make_agent, make_engagement
from tests.trading.outside import COIN, ORDERS, STOCK, Outside
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.execution.reconciliation import reconcile
from trading.models import Order
from trading.safety.flatten import flatten_positions


@pytest.fixture
def engagement(account: Outside) -> KillSwitch:
    return make_engagement()


def test_every_long_position_is_sold(account: Outside, engagement: KillSwitch) -> None:
    """docs/lessons.md#lesson-38: of a coin what the position says."""
    account.hold(STOCK, "2")
    account.hold(COIN, "0.5")
    held = account.positions()

    report = flatten_positions(engagement)

    assert sorted(report.ordered) == sorted([STOCK, COIN])
    assert report.problems == []
    wait_until(lambda: not account.positions(), what="everything is sold")
    orders = {order.symbol: order for order in Order.objects.all()}
    assert {s: (o.side, o.purpose, o.quantity) for s, o in orders.items()} == {
        s: ("sell", "flatten", quantity) for s, quantity in held.items()
    }
    assert (orders[STOCK].time_in_force, orders[COIN].time_in_force) == ("day", "gtc")


def test_nothing_held_is_nothing_to_do(account: Outside, engagement: KillSwitch) -> None:
    report = flatten_positions(engagement)

    assert (report.ordered, report.problems) == ([], [])
    assert account.posts() == []


def test_order_that_is_still_open_is_not_repeated(account: Outside, engagement: KillSwitch) -> None:
    account.hold(STOCK, "2")
    account.venue.fault(kind="partial_fill", fraction=0.5)
    flatten_positions(engagement)
    wait_until(lambda: account.positions()[STOCK] == 1, what="one of two is sold")

    again = flatten_positions(engagement)

    assert again.problems == [f"{STOCK}: nothing available to sell"]
    assert len(account.posts()) == 1


def test_repeating_sells_what_is_left(account: Outside, engagement: KillSwitch) -> None:
    account.hold(STOCK, "2")
    flatten_positions(engagement)
    wait_until(lambda: not account.positions(), what="everything is sold")
    reconcile()
    account.hold(STOCK, "1")

    report = flatten_positions(engagement)

    assert report.ordered == [STOCK]
    ids = sorted(Order.objects.filter(purpose="flatten").values_list("client_order_id", flat=True))
    assert [name[-10:] for name in ids] == ["-flatten-0", "-flatten-1"]
    assert ids[0][:36] == ids[1][:36]


def test_order_the_broker_did_not_take_is_a_problem_and_sent_again_next_time(
    account: Outside, engagement: KillSwitch
) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")
    account.hold(STOCK, "2")
    account.venue.fault(kind="rate_limit", route=ORDERS, times=1)

    first = flatten_positions(engagement)
    second = flatten_positions(engagement)

    assert first.problems == [f"{STOCK}: submitting"]
    assert second.ordered == [STOCK]
    assert Order.objects.get().quantity == 2


def test_order_the_broker_refuses_is_a_problem_in_its_words(account: Outside, engagement: KillSwitch) -> None:
    account.hold(STOCK, "2")
    account.venue.fault(kind="reject_order", status=403, body="halted", times=1)

    report = flatten_positions(engagement)

    assert report.ordered == []
    assert "halted" in report.problems[0]


def test_positions_that_cannot_be_read_are_a_problem(account: Outside, engagement: KillSwitch) -> None:
    account.venue.fault(kind="error", route="GET /v2/positions")

    report = flatten_positions(engagement)

    assert "positions could not be read" in report.problems[0]


@pytest.mark.django_db
def test_no_broker_is_a_problem() -> None:
    make_agent()

    report = flatten_positions(make_engagement())

    assert "does not run" in report.problems[0]


def test_part_that_another_order_holds_is_left_to_it(account: Outside, engagement: KillSwitch) -> None:
    account.hold(STOCK, "2")
    account.fill_never(times=1)
    account.place(STOCK, "1.5", side="sell")

    flatten_positions(engagement)

    order = Order.objects.get()
    assert order.quantity == Decimal("0.5")
