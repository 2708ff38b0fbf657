"""What this program watches itself: fractions, coins' targets, dates, stops that follow the price."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.factories import make_engagement, make_order
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.scenes import change, price_of
from tests.waiting import wait_until
from trading.execution.portfolio import sync_portfolio
from trading.exits import keeping, raising, standing
from trading.exits.keeping import Keeper
from trading.exits.rounds import Rounds
from trading.exits.watching import Watch
from trading.market.market_time import market_now
from trading.models import Event, Order, Position
from trading.protection.coverage import read_coverage, unprotected_positions

pytestmark = pytest.mark.usefixtures("account")


def held(account: Outside, symbol: str, quantity: str) -> Position:
    account.hold(symbol, quantity)
    sync_portfolio(None)
    wait_until(lambda: Keeper().keep() or _rests(symbol), what="its whole shares are protected")
    return Position.objects.get(pk=symbol)


def _rests(symbol: str) -> bool:
    coverage = read_coverage().get(symbol)
    return coverage is not None and coverage.stopped() > 0


def closing_orders(symbol: str) -> list[Order]:
    return list(Order.objects.filter(symbol=symbol, purpose="exit"))


def test_fraction_is_watched_where_the_broker_takes_no_stop(account: Outside) -> None:
    position = held(account, STOCK, "2.5")
    assert read_coverage()[STOCK].stopped() == 2
    assert unprotected_positions() == [STOCK]

    Rounds().look()

    position.refresh_from_db()
    assert position.protected_by == "software"
    assert unprotected_positions() == []
    assert Event.objects.filter(type="position.protection_changed", aggregate_id=STOCK).exists()


def test_a_price_at_the_stop_sells_everything_in_the_gate_s_way(account: Outside) -> None:
    position = held(account, STOCK, "2.5")
    change(position, stop_price=price_of(STOCK) + 1)

    Watch().look()

    (order,) = closing_orders(STOCK)
    assert (order.exit_reason, order.quantity, order.decision) == ("stop_loss", Decimal("2.5"), None)
    assert order.reservation is not None
    assert account.posts(order.client_order_id)
    Watch().look()
    assert len(closing_orders(STOCK)) == 1


def test_a_price_that_is_too_old_sells_nothing_and_protects_nothing(account: Outside) -> None:
    position = held(account, STOCK, "2.5")
    change(position, stop_price=price_of(STOCK) + 1)
    account.venue.fault(kind="stale_price", seconds=3600)

    rounds = Rounds()
    rounds.look()

    assert closing_orders(STOCK) == []
    assert unprotected_positions() == [STOCK]


def test_the_date_sells_what_the_broker_protects(account: Outside) -> None:
    position = held(account, STOCK, "3")
    now = market_now()
    assert now is not None
    change(position, sell_by=now - timedelta(seconds=1))

    Watch().look()

    (order,) = closing_orders(STOCK)
    assert order.exit_reason == "time_stop"
    assert order.acknowledged_at is not None
    assert not Order.objects.protecting().filter(symbol=STOCK).exists()


def test_nothing_is_sold_under_the_switch(account: Outside) -> None:
    position = held(account, STOCK, "2.5")
    change(position, stop_price=price_of(STOCK) + 1)
    make_engagement()

    rounds = Rounds()
    rounds.look()

    assert closing_orders(STOCK) == []
    assert unprotected_positions() == [STOCK]
    assert Position.objects.get(pk=STOCK).protected_by == "none"


def test_coin_gets_a_stop_with_a_limit(account: Outside) -> None:
    held(account, COIN, "0.5")

    (stop,) = Order.objects.protecting().filter(symbol=COIN)
    assert (stop.order_type, stop.status) == ("stop_limit", "accepted")
    assert stop.stop_price is not None
    assert stop.limit_price is not None
    assert stop.limit_price < stop.stop_price


def test_trailing_stop_is_raised_by_replacing_and_never_lowered(account: Outside) -> None:
    position = held(account, STOCK, "4")
    (before,) = read_coverage()[STOCK].stops
    assert before.stop_price is not None
    price = price_of(STOCK)
    change(position, trailing_percent=Decimal(2), highest_price=price)

    Keeper().keep()
    Keeper().keep()

    (after,) = read_coverage()[STOCK].stops
    before.refresh_from_db()
    assert before.status == "replaced"
    assert after.stop_price is not None
    assert before.stop_price < after.stop_price < price
    assert (after.quantity, after.exit_reason) == (4, "trailing_stop")
    change(position, highest_price=price - 5)
    assert raising.follow_price(position).stop_price == after.stop_price


def test_a_trailing_stop_that_the_price_has_passed_is_sold_and_not_asked_for(account: Outside) -> None:
    """The price fell before the order at the broker had followed its rise: that still stands lower."""
    position = held(account, STOCK, "4")
    change(position, trailing_percent=Decimal(2), highest_price=price_of(STOCK) * 2)

    Keeper().keep()
    Watch().look()

    (order,) = closing_orders(STOCK)
    assert (order.exit_reason, order.quantity) == ("trailing_stop", 4)
    assert [r for r in account.requests() if r["method"] == "PATCH"] == []


def test_a_price_that_the_broker_takes_no_stop_at_is_not_asked_for_each_second(account: Outside) -> None:
    position = held(account, STOCK, "4")
    change(position, trailing_percent=Decimal(2), highest_price=price_of(STOCK))
    account.venue.fault(kind="error", status=422, route="PATCH /v2/orders/*")

    keeper = Keeper()
    for _ in range(4):
        keeper.keep()

    assert len([r for r in account.requests() if r["method"] == "PATCH"]) == 1


def test_position_that_is_gone_since_it_was_read_is_no_failure(account: Outside) -> None:
    position = held(account, STOCK, "4")
    change(position, trailing_percent=Decimal(2), highest_price=price_of(STOCK) * 2)
    Position.objects.filter(pk=STOCK).delete()

    assert keeping._keep_position(position, read_coverage()[STOCK])


def test_what_rests_for_a_position_that_is_gone_is_asked_about_at_once(account: Outside) -> None:
    position = held(account, STOCK, "4")
    (stop,) = read_coverage()[STOCK].stops
    account.venue.request("DELETE", f"/v2/orders/{stop.broker_order_id}")
    Position.objects.filter(pk=position.pk).delete()

    Keeper().keep()

    stop.refresh_from_db()
    assert stop.status == "canceled"


@pytest.mark.parametrize(("posts", "left"), [(0, []), (1, ["submitting"])])
def test_what_was_to_protect_a_position_that_is_gone_ends_unsent(
    account: Outside, posts: int, left: list[str]
) -> None:
    """The broker did not say what is available when it was tried; of one that may have left the broker is asked on."""
    make_order(
        symbol=STOCK,
        side="sell",
        purpose="stop_loss",
        status="submitting",
        order_type="stop",
        stop_price=Decimal(1),
        posts=posts,
        attempts=1,
    )

    Keeper().keep()

    assert [order.status for order in Order.objects.protecting()] == left
    assert [r for r in account.requests() if (r["method"], r["path"]) == ("POST", "/v2/orders")] == []


def test_a_replacement_whose_reply_was_lost_is_found_again(account: Outside) -> None:
    position = held(account, STOCK, "4")
    change(position, trailing_percent=Decimal(2), highest_price=price_of(STOCK))
    account.venue.fault(kind="reset_after", route="PATCH /v2/orders/*", times=1)

    for _ in range(4):
        Keeper().keep()

    assert read_coverage()[STOCK].stopped() == 4
    (there,) = account.venue.get("/v2/orders?status=open")
    assert [order.broker_order_id for order in read_coverage()[STOCK].stops] == [there["id"]]


def test_longest_time_unprotected_is_counted(account: Outside) -> None:
    account.hold(STOCK, "2.5")
    sync_portfolio(None)
    standing.note_all(lambda symbol: False)
    unprotected = Position.objects.get(pk=STOCK)
    assert unprotected.unprotected_since is not None
    change(unprotected, unprotected_since=unprotected.unprotected_since - timedelta(seconds=30))

    Keeper().keep()
    standing.note_all(lambda symbol: True)

    position = Position.objects.get(pk=STOCK)
    assert (position.protected_by, position.unprotected_since) == ("software", None)
    assert position.unprotected_seconds >= 30
