"""What open orders hold, which orders could meet their own, and how an order is replaced."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import TimeInForce
from alpaca.trading.requests import ReplaceOrderRequest

from tests.connectors.venue.falling import Desk, falling, stop_loss, take_profit
from tests.connectors.venue.test_stream import listening
from tests.waiting import wait_until

EXITS = {"take_profit": {"limit_price": "120"}, "stop_loss": {"stop_price": "90"}}
OCO = {"type": "limit", "order_class": "oco", "time_in_force": "gtc", **EXITS}


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with falling(tmp_path_factory.mktemp("holds"), is_measured=True) as opened:
        yield opened


@pytest.fixture
def desk(shared_desk: Desk) -> Desk:
    """The module's market at one moment, without orders, with ten AAA."""
    shared_desk.venue.clear_faults()
    shared_desk.send("DELETE", "/v2/orders")
    held = shared_desk.position("AAA")
    if held is None or held["qty"] != "10":
        missing = 10 - int(held["qty"] if held else 0)
        side = "buy" if missing > 0 else "sell"
        shared_desk.filled("AAA", side, qty=str(abs(missing)))
    return shared_desk


def available(desk: Desk) -> str:
    position = desk.position("AAA")
    assert position is not None
    return str(position["qty_available"])


@pytest.mark.parametrize(
    ("orders", "left"),
    [
        ([{"type": "stop", "stop_price": "90", "qty": "4"}], "6"),
        (
            [
                {"type": "limit", "limit_price": "120", "qty": "4"},
                {"type": "stop", "stop_price": "90", "qty": "6"},
            ],
            "0",
        ),
        ([{**OCO, "qty": "7"}], "3"),
        ([{**OCO, "qty": "5"}, {"type": "trailing_stop", "trail_price": "5", "qty": "1"}], "4"),
    ],
)
def test_resting_sells_hold_their_quantity_once(desk: Desk, orders: list[dict[str, Any]], left: str) -> None:
    rest = [
        desk.post(side="sell", time_in_force="gtc", **one) for one in [o | {} for o in map(_bare, orders)]
    ]

    refused = desk.refusal("AAA", "sell", qty="11")

    assert available(desk) == left
    assert (refused["status"], refused["code"]) == (403, 40310000)
    assert refused["message"] == f"insufficient qty available for order (requested: 11, available: {left})"
    assert (refused["available"], refused["existing_qty"], refused["symbol"]) == (left, "10", "AAA")
    assert refused["held_for_orders"] == str(10 - int(left))
    assert set(refused["related_orders"]) == {str(one.id) for one in rest}


def _bare(order: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in order.items() if name != "time_in_force"}


def test_resting_buys_hold_what_they_may_cost(desk: Desk) -> None:
    before = Decimal(desk.get("/v2/account")["buying_power"])

    desk.post("BBB", type="limit", limit_price="40", qty="10", time_in_force="gtc")
    desk.post("BBB", type="stop_limit", stop_price="60", limit_price="61", qty="10", time_in_force="gtc")

    assert before - Decimal(desk.get("/v2/account")["buying_power"]) == 1_010
    poor = desk.refusal("BBB", type="limit", limit_price="49", qty="4000", time_in_force="gtc")
    assert (poor["status"], poor["message"], poor["cost_basis"]) == (
        403,
        "insufficient buying power",
        "196000",
    )


LIMIT_90 = {"type": "limit", "limit_price": "90"}
LIMIT_120 = {"type": "limit", "limit_price": "120"}
STOP_95 = {"type": "stop", "stop_price": "95"}
STOP_110 = {"type": "stop", "stop_price": "110"}
STOP_LIMIT_95 = {"type": "stop_limit", "stop_price": "95", "limit_price": "94"}
TRAIL = {"type": "trailing_stop", "trail_price": "9"}
MARKET: dict[str, Any] = {"type": "market"}


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (("buy", LIMIT_90), ("sell", MARKET), "limit"),
        (("buy", LIMIT_90), ("sell", STOP_95), "limit"),
        (("buy", LIMIT_90), ("sell", LIMIT_120), None),
        (("buy", LIMIT_90), ("sell", STOP_LIMIT_95), None),
        (("buy", {**LIMIT_90, "limit_price": "94"}), ("sell", STOP_LIMIT_95), "limit"),
        (("sell", STOP_95), ("buy", MARKET), "market/stop"),
        (("sell", STOP_95), ("buy", LIMIT_90), "market/stop"),
        (("sell", STOP_95), ("buy", STOP_110), "market/stop"),
        (("sell", LIMIT_120), ("buy", MARKET), "limit"),
        (("sell", LIMIT_120), ("buy", LIMIT_90), None),
        (("sell", LIMIT_120), ("buy", STOP_110), "limit"),
        (("buy", STOP_110), ("sell", LIMIT_120), "market/stop"),
        (("sell", TRAIL), ("buy", LIMIT_90), None),
        (("buy", LIMIT_90), ("sell", TRAIL), None),
        (("buy", LIMIT_90), ("sell", OCO), None),
        (("sell", OCO), ("buy", LIMIT_90), None),
    ],
)
def test_orders_that_could_meet_their_own_are_refused(
    desk: Desk, first: tuple[str, dict[str, Any]], second: tuple[str, dict[str, Any]], kind: str | None
) -> None:
    """The table of docs.alpaca.markets, "User Protection"; complex orders and trailing stops are exempt."""
    terms = {"time_in_force": "gtc", "qty": "1"}
    resting = desk.post("AAA", first[0], **(terms | first[1]))

    reply = desk.post_order("AAA", second[0], **(terms | second[1]))

    if kind is None:
        assert reply.status_code == 200, reply.text
        return
    assert reply.status_code == 403
    assert reply.json() == {
        "code": 40310000,
        "message": "potential wash trade detected. use complex orders",
        "existing_order_id": str(resting.id),
        "reject_reason": f"opposite side {kind} order exists",
    }


def test_other_symbols_and_same_sides_do_not_meet(desk: Desk) -> None:
    desk.post("AAA", "sell", qty="1", time_in_force="gtc", **STOP_95)

    desk.post("AAA", "sell", qty="1", time_in_force="gtc", **LIMIT_120)
    desk.filled("BBB", qty="1")


def test_sdk_replaces_an_order_by_another(desk: Desk) -> None:
    old = desk.post("AAA", "sell", qty="4", time_in_force="gtc", **STOP_95)
    with listening(desk.venue) as received:
        answer = desk.sdk.replace_order_by_id(old.id, ReplaceOrderRequest(stop_price=97, qty=6))
        new = desk.until({"id": answer.id}, "new")
        wait_until(lambda: len(received) >= 3)

    before = desk.look(old)
    assert (new.qty, new.stop_price, new.replaces, new.replaced_by) == ("6", "97", old.id, None)
    assert (before.status.value, before.replaced_by, before.qty) == ("replaced", new.id, "4")
    assert before.replaced_at is not None
    assert [(one.order.id, getattr(one.event, "value", one.event)) for one in received] == [
        (old.id, "pending_replace"),
        (old.id, "replaced"),
        (new.id, "new"),
    ]
    assert available(desk) == "4"
    with pytest.raises(APIError, match="order already replaced"):
        desk.sdk.replace_order_by_id(old.id, ReplaceOrderRequest(stop_price=98))


@pytest.mark.parametrize(
    ("fields", "change", "said"),
    [
        (STOP_95, {"stop_price": "95"}, "order parameters are not changed"),
        (STOP_95, {}, "order parameters are not changed"),
        (STOP_95, {"limit_price": "94"}, "stop orders require no limit_price"),
        (STOP_95, {"trail": "4"}, "stop orders require no trail"),
        (STOP_95, {"stop_price": "100"}, "stop price must be less than current price"),
        (STOP_95, {"stop_price": "95.001"}, "sub-penny increment"),
        (STOP_95, {"stop_price": "NaN"}, "stop_price must be > 0"),
        (STOP_95, {"qty": "11"}, "insufficient qty available for order"),
        (STOP_95, {"qty": "2.5"}, "qty of fractional orders cannot be changed"),
        (STOP_95, {"time_in_force": "ioc"}, "invalid time_in_force"),
        (OCO, {"qty": "3"}, "qty cannot be changed for advanced orders"),
        (OCO, {"time_in_force": "day"}, "time_in_force cannot be changed for advanced orders"),
        (OCO, {"limit_price": "89"}, "take_profit.limit_price must be > stop_loss.stop_price"),
    ],
)
def test_replacement_that_makes_no_sense_is_refused(
    desk: Desk, fields: dict[str, Any], change: dict[str, str], said: str
) -> None:
    order = desk.post("AAA", "sell", **({"qty": "4", "time_in_force": "gtc"} | fields))

    reply = desk.send("PATCH", f"/v2/orders/{order.id}", json=change)

    assert reply.status_code == (403 if "insufficient" in said else 422)
    assert said in reply.json()["message"]
    assert desk.status(order) == "new"
    assert len(desk.get("/v2/orders", symbols="AAA")) == (2 if fields is OCO else 1)


@pytest.mark.parametrize("status", ["filled", "canceled"])
def test_ended_order_cannot_be_replaced(desk: Desk, status: str) -> None:
    order = desk.post("BBB", type="limit", limit_price="51" if status == "filled" else "40", qty="1")
    desk.until(order, "filled", "new")
    if status == "canceled":
        desk.send("DELETE", f"/v2/orders/{order.id}")

    reply = desk.send("PATCH", f"/v2/orders/{order.id}", json={"limit_price": "41"})

    assert (reply.status_code, reply.json()["code"]) == (422, 42210000)
    assert reply.json()["message"] == f"cannot replace order in {status} status"
    assert desk.send("PATCH", "/v2/orders/nothing", json={"qty": "1"}).status_code == 404


def test_trail_price_and_time_in_force_are_replaced(desk: Desk) -> None:
    trail = desk.post("AAA", "sell", qty="1", time_in_force="gtc", **TRAIL)
    resting = desk.post("BBB", type="limit", limit_price="40", qty="1", time_in_force="day")

    tighter = desk.replace(trail, trail="4")
    kept = desk.replace(resting, time_in_force="gtc", limit_price="41")

    assert (tighter.trail_price, tighter.stop_price, tighter.hwm) == ("4", "96", "100")
    assert (kept.time_in_force, kept.limit_price) == (TimeInForce.GTC, "41")


def test_exits_of_a_group_are_replaced_each_by_itself(desk: Desk) -> None:
    order = desk.post("AAA", "sell", qty="4", **OCO)
    stop = stop_loss(desk.look(order))

    raised = desk.replace(stop, stop_price="97")
    target = desk.replace(order, limit_price="118")

    now = desk.look(target)
    assert (raised.status.value, raised.replaces, desk.status(stop)) == ("held", stop.id, "replaced")
    assert (now.limit_price, [(leg.id, leg.stop_price) for leg in now.legs or []]) == (
        "118",
        [(raised.id, "97")],
    )
    refused = desk.send("PATCH", f"/v2/orders/{raised.id}", json={"stop_price": "100"}).json()
    assert refused["message"] == "stop_loss.stop_price must be <= base_price - 0.01"
    assert refused["base_price"] == "100"
    assert available(desk) == "6"
    desk.send("DELETE", f"/v2/orders/{raised.id}")
    assert desk.status(target) == "canceled"


def test_entry_and_exits_are_replaced_before_it_fills(desk: Desk) -> None:
    order = desk.bracket(symbol="BBB", type="limit", limit_price="45", target="60", stop="40")
    nested = desk.look(order)

    desk.replace(take_profit(nested), limit_price="58")
    desk.replace(stop_loss(nested), stop_price="41")
    cheaper = desk.replace(order, limit_price="44")

    now = desk.look(cheaper)
    assert (take_profit(now).limit_price, stop_loss(now).stop_price, len(now.legs or [])) == ("58", "41", 2)
    desk.send("DELETE", f"/v2/orders/{cheaper.id}")
    assert {leg.status.value for leg in desk.look(cheaper).legs or []} == {"canceled"}
