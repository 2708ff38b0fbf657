"""Exits under everything that may stand in their way: guards, resting legs, a broker's faults, a new process."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from tests.e2e.system import manage
from tests.factories import make_order
from tests.trading.guards.scenes import bought as entered
from tests.trading.guards.scenes import market_ago
from tests.trading.guards.test_standing import BLOCKED
from tests.trading.outside import OTHER_STOCK, STOCK, WHOLE_STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, change, forget_prices, open_cycle, passed, price_of
from tests.waiting import wait_until
from trading.execution import unattended_orders
from trading.execution.operator_stop import stop_trading
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.exits.closing import close_position
from trading.exits.keeping import Keeper
from trading.exits.rounds import Rounds
from trading.exits.watching import Watch
from trading.market.market_time import market_now
from trading.models import Cycle, Order, Position, Trade
from trading.orders import submission
from trading.orders.submission import submit_order
from trading.protection.coverage import Coverage, read_coverage
from trading.safety import kill_switch


def held(account: Outside, quantity: str = "4", symbol: str = STOCK) -> Position:
    """Have a position whose whole shares a stop at the broker protects."""
    account.venue.clock(
        advance=1
    )  # another position than the test's before, whose orders the venue remembers
    forget_prices()
    account.hold(symbol, quantity)
    sync_portfolio(None)
    wait_until(lambda: Keeper().keep() or symbol in read_coverage(), what="a stop rests")
    return Position.objects.get(pk=symbol)


def bracket() -> Position:
    """Have a position whose stop and target came with its entry, of a cycle that is over."""
    saga = advanced_to_its_end(passed(STOCK, whole=True).pk)
    assert saga.status == "completed", saga.error
    Cycle.objects.open().update(status="completed", stage="ended", ended_at=timezone.now())
    Keeper().keep()  # settles at which prices it is to be sold
    return Position.objects.get(pk=STOCK)


def is_over(position: Position) -> None:
    """Let the date have come by which it is to be sold."""
    now = market_now()
    assert now is not None
    change(position, sell_by=now - timedelta(seconds=1))


def by_hand(account: Outside) -> str:
    close_position(STOCK, reason="operator", actor="ada")
    return "operator"


def by_its_date(account: Outside) -> str:
    is_over(Position.objects.get(pk=STOCK))
    Watch().look()
    return "time_stop"


def by_its_target(account: Outside) -> str:
    """A price at the target of what no order at the broker sells there."""
    position = Position.objects.get(pk=STOCK)
    change(position, target_price=price_of(STOCK), trailing_percent=Decimal(5))
    Watch().look()
    return "take_profit"


def by_the_switch(account: Outside) -> str:
    report = kill_switch.engage(actor="ada", reason="enough", flatten=True)
    assert report.flattening is not None
    assert report.flattening.is_done, report.flattening
    return "flatten"


def by_stopping_everything(account: Outside) -> str:
    report = stop_trading(actor="ada", reason="enough", flatten=True)
    assert report.flattening is not None
    assert report.flattening.is_done, report.flattening
    return "flatten"


EXITS: dict[str, Callable[[Outside], str]] = {
    act.__name__: act for act in (by_hand, by_its_date, by_its_target, by_the_switch, by_stopping_everything)
}


@pytest.mark.parametrize("way", EXITS)
def test_every_exit_passes_every_guard_with_legs_resting_in_one_call(account: Outside, way: str) -> None:
    bracket()
    open_cycle()
    for block in BLOCKED.values():
        block()
    entered(market_ago(minutes=1))

    reason = EXITS[way](account)

    wait_until(lambda: STOCK not in account.positions(), what="it is sold")
    # The guards judge by sales that were never sent.
    (sale,) = Order.objects.filter(purpose__in=("exit", "flatten"), acknowledged_at__isnull=False)
    unattended_orders.follow_order(sale.pk)
    assert Trade.objects.get(order=sale).exit_reason == reason
    assert account.venue.get("/v2/orders?status=open") == []
    assert not Order.objects.protecting().exists()


def test_no_guard_keeps_what_is_held_from_being_protected_or_its_stop_from_rising(account: Outside) -> None:
    open_cycle()
    for block in BLOCKED.values():
        block()
    position = held(account)
    (before,) = read_coverage()[STOCK].stops
    change(position, trailing_percent=Decimal(2), highest_price=price_of(STOCK))

    Keeper().keep()
    Keeper().keep()

    (after,) = read_coverage()[STOCK].stops
    assert (before.stop_price or 0) < (after.stop_price or 0)


def posted_by_a_late_keeper() -> None:
    """Have a round that began before the sale was written down post its stop only now."""
    position = Position.objects.get(pk=STOCK)
    stop = make_order(
        symbol=STOCK,
        side="sell",
        purpose="stop_loss",
        quantity=Decimal(4),
        order_type="stop",
        stop_price=position.stop_price,
        time_in_force="gtc",
    )
    assert submit_order(stop.pk).acknowledged_at is not None


@pytest.mark.parametrize("step", ["_take_away_what_rests", "_available"])
@pytest.mark.parametrize("way", [by_hand, by_its_date])
def test_a_stop_that_lands_on_the_way_of_a_sale_is_taken_away_too(
    account: Outside, monkeypatch: pytest.MonkeyPatch, way: Callable[[Outside], str], step: str
) -> None:
    held(account)
    done = getattr(submission, step)
    late = [posted_by_a_late_keeper]

    def then_a_stop_lands(order: Order) -> object:
        result = done(order)
        if late and order.purpose == "exit":
            late.pop()()
        return result

    monkeypatch.setattr(submission, step, then_a_stop_lands)

    reason = way(account)

    wait_until(lambda: STOCK not in account.positions(), what="it is sold")
    sales = Order.objects.filter(purpose__in=("exit", "flatten"))
    for sale in sales:
        unattended_orders.follow_order(sale.pk)
    assert Trade.objects.get(order__in=sales).exit_reason == reason
    assert not Order.objects.protecting().exists()
    assert account.venue.get("/v2/orders?status=open") == []


FAULTS = {
    "lost reply": {"kind": "reset_after"},
    "lost request": {"kind": "reset_before"},
    "late": {"kind": "latency", "seconds": 1.0},
    "refused once": {"kind": "error", "status": 500},
    "cut short": {"kind": "truncate"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_date_sells_once_whatever_is_lost(account: Outside, fault: str) -> None:
    position = held(account)
    is_over(position)
    for route in ("POST /v2/orders", "DELETE /v2/orders/*"):
        account.venue.fault(route=route, times=1, **FAULTS[fault])

    def is_sold() -> bool:
        Rounds().look()
        for order in Order.objects.open().filter(purpose="exit"):
            unattended_orders.follow_order(order.pk)
        return STOCK not in account.positions() and not Order.objects.open().exists()

    wait_until(is_sold, what="it is sold")
    taken = [row for row in account.venue.get("/v2/orders?status=all") if row["side"] == "sell"]
    assert sum(Decimal(row["filled_qty"]) for row in taken if row["symbol"] == STOCK) >= 4
    assert Order.objects.filter(symbol=STOCK, purpose="exit", filled_quantity__gt=0).count() == 1
    assert account.venue.get("/v2/orders?status=open") == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stop_that_follows_is_one_stop_whatever_is_lost(account: Outside, fault: str) -> None:
    position = held(account)
    change(position, trailing_percent=Decimal(2), highest_price=price_of(STOCK))
    account.venue.fault(route="PATCH /v2/orders/*", times=1, **FAULTS[fault])

    def has_risen() -> bool:
        Rounds().look()
        wanted = Position.objects.get(pk=STOCK).stop_price
        return [order.stop_price for order in read_coverage().get(STOCK, Coverage()).stops] == [wanted]

    wait_until(has_risen, what="the stop stands at its price")
    (open_there,) = account.venue.get("/v2/orders?status=open")
    assert Decimal(open_there["stop_price"]) == Position.objects.get(pk=STOCK).stop_price
    assert read_coverage()[STOCK].stopped() == 4


def test_legs_that_the_brokers_lists_hide_are_neither_lost_nor_made_twice(account: Outside) -> None:
    """Some accounts list no order that is held, and no filled bracket: the stop is seen by its id alone."""
    account.venue.fault(kind="hide_legs")
    account.venue.fault(kind="reset_after", route="POST /v2/orders", times=1)
    position = bracket()

    wait_until(lambda: Keeper().keep() or STOCK in read_coverage(), what="its legs are known")
    reconcile()
    for _ in range(3):
        Keeper().keep()

    assert read_coverage()[STOCK].stopped() == position.quantity
    assert {order.purpose for order in read_coverage()[STOCK].orders} == {"stop_loss", "take_profit"}
    assert not Order.objects.open().filter(purpose="external").exists()
    account.venue.clear_faults()
    assert len(account.venue.get("/v2/orders?status=open")) == 2


@pytest.mark.system
def test_a_new_process_sells_and_follows_as_the_one_before(threaded_account: Outside) -> None:
    """What a position is sold by is in its row: a date, a stop that is watched, and one that follows."""
    account = threaded_account
    is_over(held(account, "3", STOCK))
    watched = held(account, "2.5", OTHER_STOCK)
    change(watched, stop_price=price_of(OTHER_STOCK) * 2)
    follows = held(account, "3", WHOLE_STOCK)
    (before,) = read_coverage()[WHOLE_STOCK].stops
    change(follows, trailing_percent=Decimal(2), highest_price=price_of(WHOLE_STOCK))

    done = manage("sweeper", "--once")

    assert done.returncode == 0, done.stderr
    wait_until(lambda: account.positions().keys() == {WHOLE_STOCK}, what="both are sold")
    sales = dict(Order.objects.filter(purpose="exit").values_list("symbol", "exit_reason"))
    assert sales == {STOCK: "time_stop", OTHER_STOCK: "stop_loss"}
    (after,) = read_coverage()[WHOLE_STOCK].stops
    assert (before.stop_price or 0) < (after.stop_price or 0)
