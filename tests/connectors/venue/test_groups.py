"""Brackets, OCO and OTO: who works when, and what becomes of the others."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.trading.enums import OrderClass, OrderType
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)

from tests.connectors.venue.falling import (
    BUY,
    GTC,
    SELL,
    Desk,
    falling,
    stop_loss,
    take_profit,
)
from tests.connectors.venue.test_stream import listening
from tests.waiting import wait_until

THURSDAY, FRIDAY, MONDAY = (f"2020-10-{day}T19:59:00Z" for day in (15, 16, 19))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with falling(tmp_path) as opened:
        yield opened


def statuses(desk: Desk, order: Order) -> dict[str, str]:
    """Return the status of a bracket's orders by their part."""
    found = desk.look(order)
    return {
        "entry": found.status.value,
        "target": take_profit(found).status.value,
        "stop": stop_loss(found).status.value,
    }


def test_sdk_sends_and_reads_all_three_classes(desk: Desk) -> None:
    profit, loss = TakeProfitRequest(limit_price=120), StopLossRequest(stop_price=95, limit_price=94)
    common: dict[str, Any] = {"symbol": "AAA", "qty": 4, "time_in_force": GTC}

    bracket = desk.sdk.submit_order(
        MarketOrderRequest(
            **common, side=BUY, order_class=OrderClass.BRACKET, take_profit=profit, stop_loss=loss
        )
    )
    oto = desk.sdk.submit_order(
        MarketOrderRequest(
            **{**common, "symbol": "BBB"},
            side=BUY,
            order_class=OrderClass.OTO,
            stop_loss=StopLossRequest(stop_price=45),
        )
    )
    desk.filled("CCC", qty="4")
    oco = desk.sdk.submit_order(
        LimitOrderRequest(
            **{**common, "symbol": "CCC"},
            side=SELL,
            order_class=OrderClass.OCO,
            take_profit=profit,
            stop_loss=loss,
        )
    )

    assert isinstance(bracket, Order)
    assert isinstance(oto, Order)
    assert isinstance(oco, Order)
    assert (bracket.order_class, oto.order_class, oco.order_class) == (
        OrderClass.BRACKET,
        OrderClass.OTO,
        OrderClass.OCO,
    )
    assert [(one.type, one.limit_price, one.stop_price) for one in bracket.legs or []] == [
        (OrderType.LIMIT, "120", None),
        (OrderType.STOP_LIMIT, "94", "95"),
    ]
    assert {one.status.value for one in bracket.legs or []} == {"held"}
    assert (oco.type, oco.limit_price, [one.stop_price for one in oco.legs or []]) == (
        OrderType.LIMIT,
        "120",
        ["95"],
    )
    assert [one.stop_price for one in oto.legs or []] == ["45"]
    desk.until(bracket, "filled")
    desk.until(oto, "filled")
    desk.until(oco, "new")
    assert statuses(desk, bracket) == {"entry": "filled", "target": "new", "stop": "held"}
    assert stop_loss(desk.look(oto)).status.value == "new"
    assert stop_loss(desk.look(oco)).status.value == "held"
    assert all(len(one.client_order_id) == 36 and one.qty == "4" for one in bracket.legs or [])
    positions = {one.symbol: one for one in desk.sdk.get_all_positions()}
    assert {(one.qty, one.qty_available) for one in positions.values()} == {("4", "0")}


@pytest.mark.parametrize(
    ("target", "stop", "moment", "expected", "sold_at"),
    [
        ("111", "95", FRIDAY, {"entry": "filled", "target": "filled", "stop": "canceled"}, "111"),
        ("120", "95", MONDAY, {"entry": "filled", "target": "canceled", "stop": "filled"}, "79.99"),
        ("120", "95", FRIDAY, {"entry": "filled", "target": "new", "stop": "held"}, None),
    ],
)
def test_one_exit_fills_and_the_other_ends(
    desk: Desk, target: str, stop: str, moment: str, expected: dict[str, str], sold_at: str | None
) -> None:
    order = desk.bracket(target, stop)

    desk.venue.clock(to=moment)

    assert statuses(desk, order) == expected
    sells = [one for one in desk.get("/v2/account/activities/FILL") if one["side"] == "sell"]
    assert [(one["qty"], one["price"]) for one in sells] == ([] if sold_at is None else [("4", sold_at)])
    assert (desk.position("AAA") is None) is (sold_at is not None)


def test_both_levels_in_one_day_are_met_in_the_order_of_the_prices(desk: Desk) -> None:
    """Friday goes from 100 to 112 and to 99: which comes first the path says, and only one sells."""
    orders = [desk.bracket("111", "99.5", symbol, qty="2") for symbol in ("AAA", "CCC")]

    desk.venue.clock(to="2020-10-16T13:31:30Z")
    desk.venue.clock(to=FRIDAY)

    for order in orders:
        done = statuses(desk, order)
        assert sorted((done["target"], done["stop"])) == ["canceled", "filled"]
    assert desk.get("/v2/positions") == []


def test_exits_wait_until_the_whole_entry_has_filled(desk: Desk) -> None:
    desk.venue.fault(kind="partial_fill", fraction=0.5, symbols=["AAA"], times=1)
    order = desk.until(
        desk.order(
            "AAA",
            qty="4",
            time_in_force="gtc",
            order_class="bracket",
            take_profit={"limit_price": "120"},
            stop_loss={"stop_price": "95"},
        ),
        "partially_filled",
    )
    position = desk.position("AAA")

    assert statuses(desk, order) == {"entry": "partially_filled", "target": "held", "stop": "held"}
    assert position is not None
    assert (position["qty"], position["qty_available"]) == ("2", "2")
    desk.send("DELETE", f"/v2/orders/{order.id}")
    assert statuses(desk, order) == {"entry": "canceled", "target": "canceled", "stop": "canceled"}
    assert desk.position("AAA") is not None  # without any protection: the provider's rule


@pytest.mark.parametrize("part", ["target", "stop"])
def test_cancel_of_one_exit_cancels_the_other(desk: Desk, part: str) -> None:
    order = desk.bracket()
    chosen = take_profit(desk.look(order)) if part == "target" else stop_loss(desk.look(order))

    assert desk.send("DELETE", f"/v2/orders/{chosen.id}").status_code == 204

    assert statuses(desk, order) == {"entry": "filled", "target": "canceled", "stop": "canceled"}
    position = desk.position("AAA")
    assert position is not None
    assert position["qty_available"] == "4"


def test_cancel_of_an_exit_before_the_entry_cancels_all(desk: Desk) -> None:
    order = desk.bracket(type="limit", limit_price="97", stop="90")

    desk.send("DELETE", f"/v2/orders/{stop_loss(desk.look(order)).id}")

    assert statuses(desk, order) == {"entry": "canceled", "target": "canceled", "stop": "canceled"}


def test_cancel_all_ends_whole_groups_once(desk: Desk) -> None:
    order = desk.bracket()

    reply = desk.send("DELETE", "/v2/orders")

    assert reply.status_code == 207
    assert [line["status"] for line in reply.json()] == [200, 200]
    assert desk.get("/v2/orders") == []
    assert statuses(desk, order) == {"entry": "filled", "target": "canceled", "stop": "canceled"}


def test_partly_filled_target_leaves_the_stop_what_is_left(desk: Desk) -> None:
    order = desk.bracket("111", "95")
    desk.venue.fault(kind="partial_fill", fraction=0.5, symbols=["AAA"], times=1)

    desk.venue.clock(to=FRIDAY)
    half = desk.look(order)
    assert (take_profit(half).status.value, take_profit(half).filled_qty) == ("partially_filled", "2")
    assert (stop_loss(half).status.value, stop_loss(half).qty) == ("held", "2")
    desk.venue.clock(to=MONDAY)

    done = desk.look(order)
    assert (take_profit(done).status.value, stop_loss(done).status.value) == ("canceled", "filled")
    assert desk.position("AAA") is None


def test_day_bracket_ends_with_its_day_exits_and_all(desk: Desk) -> None:
    order = desk.bracket(time_in_force="day")

    desk.venue.clock(to="close")

    assert statuses(desk, order) == {"entry": "filled", "target": "expired", "stop": "expired"}
    assert desk.position("AAA") is not None


def test_bracket_of_the_night_enters_and_leaves_in_one_leap(desk: Desk) -> None:
    desk.venue.clock(to="2020-10-15T22:00:00Z")
    order = desk.order(
        "AAA",
        qty="4",
        time_in_force="gtc",
        order_class="bracket",
        take_profit={"limit_price": "108"},
        stop_loss={"stop_price": "90"},
    )

    desk.venue.clock(to="2020-10-16T21:00:00Z")

    assert order["status"] == "accepted"
    assert statuses(desk, desk.look(order)) == {"entry": "filled", "target": "filled", "stop": "canceled"}


def test_rejected_entry_takes_its_exits_along(desk: Desk) -> None:
    desk.venue.fault(kind="reject_order", symbols=["AAA"], times=1)
    order = desk.order("AAA", qty="4", order_class="oto", time_in_force="gtc", stop_loss={"stop_price": "95"})

    done = desk.until(order, "rejected")

    assert [one.status.value for one in done.legs or []] == ["canceled"]


def test_lists_show_legs_as_rows_or_nested(desk: Desk) -> None:
    order = desk.bracket()
    ids = {str(order.id): "filled"} | {str(one.id): one.status.value for one in desk.look(order).legs or []}

    def listed(**query: str) -> dict[str, str]:
        return {one["id"]: one["status"] for one in desk.get("/v2/orders", **query)}

    opened = {key: status for key, status in ids.items() if status != "filled"}
    assert listed(status="all") == ids
    assert listed() == opened
    assert listed(nested="true") == listed(status="all", nested="true") == {str(order.id): "filled"}
    rows = desk.get("/v2/orders", status="all", nested="true")
    assert {one["id"] for one in rows[0]["legs"]} == opened.keys()
    assert {one["legs"] for one in desk.get("/v2/orders", status="all")} == {None}
    by_own_id = desk.get(
        "/v2/orders:by_client_order_id", client_order_id=order.client_order_id, nested="true"
    )
    assert len(by_own_id["legs"]) == 2
    desk.venue.fault(kind="hide_legs")
    assert list(listed().values()) == ["new"]
    assert listed(nested="true") == {}


def test_stream_tells_of_every_step_of_every_leg(desk: Desk) -> None:
    with listening(desk.venue) as received:
        order = desk.bracket("111", "95")
        desk.venue.clock(to=FRIDAY)
        wait_until(lambda: len(received) >= 5)

    legs = desk.look(order)
    names = {order.id: "entry", take_profit(legs).id: "target", stop_loss(legs).id: "stop"}
    assert [(names[one.order.id], getattr(one.event, "value", one.event)) for one in received] == [
        ("entry", "new"),
        ("entry", "fill"),
        ("target", "new"),
        ("target", "fill"),
        ("stop", "canceled"),
    ]


def test_groups_survive_kill_9(tmp_path: Path) -> None:
    with falling(tmp_path) as desk:
        orders = [desk.bracket("111", "95"), desk.bracket("120", "95", "CCC")]
        before = desk.get("/v2/orders", status="all", nested="true")

        desk.venue.kill()
        desk.venue.restart()
        desk.venue.clock(paused=True)

        assert desk.get("/v2/orders", status="all", nested="true") == before
        desk.venue.clock(to=MONDAY)
        assert statuses(desk, orders[0]) == {"entry": "filled", "target": "filled", "stop": "canceled"}
        assert statuses(desk, orders[1]) == {"entry": "filled", "target": "canceled", "stop": "filled"}
        assert desk.get("/v2/positions") == []
        assert Decimal(desk.get("/v2/account")["buying_power"]) == Decimal(desk.get("/v2/account")["cash"])
