"""Limits, stops and trailing stops: when they fill, at which price, and when they do not."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    LimitOrderRequest,
    StopLimitOrderRequest,
    StopOrderRequest,
    TrailingStopOrderRequest,
)

from tests.connectors.venue.falling import GTC, SELL, Desk, falling
from tests.waiting import wait_until

FRIDAY, MONDAY, TUESDAY = (f"2020-10-{day}T19:59:00Z" for day in (16, 19, 20))
GTC_TWO = {"time_in_force": "gtc", "qty": "2"}
LIMIT, STOP, STOP_LIMIT, TRAIL = (
    {"type": name, **GTC_TWO} for name in ("limit", "stop", "stop_limit", "trailing_stop")
)
# symbol, side, order, day on which it fills, at which price
PATHS: dict[str, tuple[str, str, dict[str, str], str | None, str | None]] = {
    "limit_on_the_way_down": ("AAA", "buy", {**LIMIT, "limit_price": "99"}, FRIDAY, "99"),
    "limit_gapped_through_is_better": ("AAA", "buy", {**LIMIT, "limit_price": "85"}, MONDAY, "80.01"),
    "limit_never_reached": ("AAA", "buy", {**LIMIT, "limit_price": "78"}, None, None),
    "stop_on_the_way_up": ("AAA", "buy", {**STOP, "stop_price": "105"}, FRIDAY, "105.01"),
    "stop_limit_on_the_way_up": (
        "AAA",
        "buy",
        {**STOP_LIMIT, "stop_price": "105", "limit_price": "106"},
        FRIDAY,
        "105.01",
    ),
    "target": ("CCC", "sell", {**LIMIT, "limit_price": "111"}, FRIDAY, "111"),
    "stop_gapped_through_fills_at_the_open": ("CCC", "sell", {**STOP, "stop_price": "97"}, MONDAY, "79.99"),
    "stop_limit_left_behind": (
        "CCC",
        "sell",
        {**STOP_LIMIT, "stop_price": "97", "limit_price": "96"},
        None,
        None,
    ),
    "its_limit_still_comes": (
        "CCC",
        "sell",
        {**STOP_LIMIT, "stop_price": "97", "limit_price": "81.5"},
        MONDAY,
        "81.5",
    ),
    "trail_in_dollars": ("CCC", "sell", {**TRAIL, "trail_price": "30"}, MONDAY, "79.99"),
    "trail_in_percent": ("CCC", "sell", {**TRAIL, "trail_percent": "25"}, MONDAY, "79.99"),
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with falling(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Order]]]:
    """All of PATHS in one market: each as it is after Friday, Monday and Tuesday."""
    with falling(tmp_path_factory.mktemp("paths"), is_measured=True) as desk:
        desk.filled("CCC", qty="30")
        orders = {
            name: desk.post(symbol, side, **fields) for name, (symbol, side, fields, _, _) in PATHS.items()
        }
        seen = {}
        for moment in (FRIDAY, MONDAY, TUESDAY):
            desk.venue.clock(to=moment)
            seen[moment] = {name: desk.look(order) for name, order in orders.items()}
        yield seen


def price_of(order: Order) -> Decimal:
    return Decimal(str(order.filled_avg_price))


def test_every_type_is_written_as_the_sdk_reads_it(desk: Desk) -> None:
    desk.filled("AAA", qty="10")
    common: dict[str, Any] = {"symbol": "AAA", "qty": 1, "side": SELL, "time_in_force": GTC}

    limit = desk.sdk.submit_order(LimitOrderRequest(**common, limit_price=120))
    stop = desk.sdk.submit_order(StopOrderRequest(**common, stop_price=90))
    both = desk.sdk.submit_order(StopLimitOrderRequest(**common, stop_price=90, limit_price=89.5))
    dollars = desk.sdk.submit_order(TrailingStopOrderRequest(**common, trail_price=5))
    percent = desk.sdk.submit_order(TrailingStopOrderRequest(**common, trail_percent=10))

    assert isinstance(limit, Order)
    assert isinstance(stop, Order)
    assert isinstance(both, Order)
    assert isinstance(dollars, Order)
    assert isinstance(percent, Order)
    assert (limit.type.value, limit.limit_price, limit.stop_price) == ("limit", "120", None)
    assert (stop.type.value, stop.limit_price, stop.stop_price) == ("stop", None, "90")
    assert (both.type.value, both.limit_price, both.stop_price) == ("stop_limit", "89.5", "90")
    assert (dollars.type.value, dollars.trail_price, dollars.hwm, dollars.stop_price) == (
        *("trailing_stop", "5", "100", "95"),
    )
    assert (percent.trail_percent, percent.hwm, percent.stop_price) == ("10", "100", "90")
    assert {desk.until(one, "new").order_class.value for one in (limit, stop, both, dollars)} == {"simple"}


def test_limit_that_the_market_meets_fills_at_the_market(desk: Desk) -> None:
    """The clock stands: it does not have to run for what can fill at once."""
    bought = desk.until(desk.post(type="limit", limit_price="105", qty="2"), "filled")
    sold = desk.until(desk.post(side="sell", type="limit", limit_price="95", qty="2"), "filled")

    assert (price_of(bought), price_of(sold)) == (Decimal("100.01"), Decimal("99.99"))


@pytest.mark.parametrize("name", PATHS)
def test_orders_fill_where_the_path_meets_them(days: dict[str, dict[str, Order]], name: str) -> None:
    _, _, _, day, price = PATHS[name]

    filled = {
        moment: price_of(seen[name]) for moment, seen in days.items() if seen[name].status.value == "filled"
    }

    expected = [] if day is None else [one for one in (FRIDAY, MONDAY, TUESDAY) if one >= day]
    assert filled == dict.fromkeys(expected, Decimal(price or 0))
    assert {seen[name].status.value for seen in days.values()} <= {"new", "filled"}


def test_trailing_stop_rises_with_the_price_and_never_falls(days: dict[str, dict[str, Order]]) -> None:
    friday, tuesday = days[FRIDAY], days[TUESDAY]

    assert (friday["trail_in_dollars"].hwm, friday["trail_in_dollars"].stop_price) == ("112", "82")
    assert (friday["trail_in_percent"].hwm, friday["trail_in_percent"].stop_price) == ("112", "84")
    assert tuesday["trail_in_dollars"].stop_price == "82"


def test_nothing_of_a_stock_fills_at_night_and_coins_do(desk: Desk) -> None:
    desk.filled("AAA", qty="2")
    desk.filled("BTC/USD", qty="0.1")
    stop = desk.post(side="sell", time_in_force="gtc", qty="2", type="stop", stop_price="97")
    target = desk.post("BTC/USD", "sell", qty="0.05", type="limit", limit_price="10190")
    desk.venue.clock(to=FRIDAY)
    assert desk.status(target) == "filled"  # in the first night
    second = desk.post(
        "BTC/USD", "sell", qty="0.04", type="stop_limit", stop_price="9910", limit_price="9000"
    )

    desk.venue.clock(to="2020-10-18T20:00:00Z")

    assert (desk.status(stop), desk.status(second)) == ("new", "filled")


def test_day_order_ends_with_its_day_and_a_gtc_one_does_not(desk: Desk) -> None:
    day = desk.post(type="limit", limit_price="90", time_in_force="day")
    kept = desk.post(type="limit", limit_price="90", time_in_force="gtc")

    desk.venue.clock(to="close")

    assert (desk.status(day), desk.status(kept)) == ("expired", "new")


def test_order_of_the_night_waits_for_the_open(desk: Desk) -> None:
    desk.venue.clock(to="2020-10-16T22:00:00Z")
    waiting = desk.post(type="limit", limit_price="85", time_in_force="day")
    away = desk.post(type="limit", limit_price="70", time_in_force="day")

    desk.venue.clock(to="2020-10-19T21:00:00Z")

    assert waiting.status.value == "accepted"
    assert price_of(desk.until(waiting, "filled")) == Decimal("80.01")
    assert desk.status(away) == "expired"


@pytest.mark.parametrize(("limit", "status"), [("105", "filled"), ("95", "canceled")])
def test_ioc_fills_at_once_or_not_at_all(desk: Desk, limit: str, status: str) -> None:
    taken = desk.order("AAA", type="limit", limit_price=limit, time_in_force="ioc")

    assert desk.until(taken, "filled", "canceled").status.value == status


def test_resting_order_fills_in_two_parts_where_it_is_told_to(desk: Desk) -> None:
    order = desk.post(type="limit", limit_price="99", qty="10", time_in_force="gtc")
    desk.venue.fault(kind="partial_fill", fraction=0.3, symbols=["AAA"], times=1)

    desk.venue.clock(to="2020-10-16T19:59:00Z")
    part = desk.until(order, "partially_filled")

    assert (part.filled_qty, price_of(part)) == ("3", Decimal(99))
    assert desk.send("DELETE", f"/v2/orders/{order.id}").status_code == 204
    assert (desk.status(order), desk.look(order).filled_qty) == ("canceled", "3")


def test_reached_order_waits_as_long_as_a_fault_says(desk: Desk) -> None:
    order = desk.post(type="limit", limit_price="99", qty="2", time_in_force="gtc")
    desk.venue.fault(kind="fill_delay", symbols=["AAA"], times=1)

    desk.venue.clock(to="2020-10-16T19:59:00Z")

    assert desk.status(order) == "new"


@pytest.mark.parametrize(
    ("side", "stop", "said"),
    [
        ("sell", "100", "must be less than"),
        ("sell", "130", "must be less than"),
        ("buy", "100", "must be greater than"),
    ],
)
def test_stop_that_was_reached_already_is_refused(desk: Desk, side: str, stop: str, said: str) -> None:
    desk.filled("AAA", qty="2")

    refused = desk.refusal("AAA", side, type="stop", stop_price=stop, qty="2")

    assert (refused["status"], refused["code"], refused["market_price"]) == (422, 42210000, "100")
    assert said in refused["message"]


def test_many_small_steps_give_what_one_leap_gives(tmp_path: Path) -> None:
    """Judged on the path: how often somebody looks makes no difference, nor does a clock that runs."""

    def fills(folder: Path, steps: list[str]) -> list[tuple[str, str]]:
        with falling(folder) as desk:
            desk.filled("AAA", qty="9")
            for number, stop in enumerate(("99.5", "99", "97")):
                desk.post(side="sell", qty="2", time_in_force="gtc", type="stop", stop_price=stop)
                desk.post(
                    side="sell",
                    qty="1",
                    time_in_force="gtc",
                    type="trailing_stop",
                    trail_price=str(3 + number),
                )
            for moment in steps:
                desk.venue.clock(to=moment)
            if not steps:
                desk.venue.clock(paused=False, speed=3_000)
                wait_until(lambda: not desk.get("/v2/orders"))
            booked = desk.get("/v2/account/activities/FILL", direction="asc")
            return [(one["qty"], one["price"]) for one in booked]

    small = [
        f"2020-10-{day}T{hour}:{minute:02d}:30Z"
        for day in (16, 19)
        for hour in range(14, 20)
        for minute in (7, 31)
    ]

    leap = fills(tmp_path / "a", [MONDAY])

    assert len(leap) == 7
    assert fills(tmp_path / "b", [*small, MONDAY]) == leap
    assert fills(tmp_path / "c", []) == leap


def test_resting_orders_survive_kill_9_with_what_they_have_seen(tmp_path: Path) -> None:
    with falling(tmp_path) as desk:
        desk.filled("AAA", qty="4")
        stop = desk.post(side="sell", time_in_force="gtc", qty="2", type="stop", stop_price="97")
        trail = desk.post(side="sell", time_in_force="gtc", qty="2", type="trailing_stop", trail_price="20")
        desk.venue.clock(to=FRIDAY)
        before = desk.get("/v2/orders", status="all")

        desk.venue.kill()
        desk.venue.restart()
        desk.venue.clock(paused=True)

        assert desk.get("/v2/orders", status="all") == before
        assert desk.look(trail).hwm == "112"
        desk.venue.clock(to=MONDAY)
        assert (desk.status(stop), desk.status(trail)) == ("filled", "filled")
