"""What the venue refuses, with the status and code Alpaca refuses it with."""

from typing import Any

import pytest

from tests.connectors.venue.client import COIN, STOCK, Client

BAD = [
    ({"symbol": None}, "symbol is required"),
    ({"symbol": "NOPE"}, 'asset "NOPE" not found'),
    ({"side": "hold"}, "side must be buy or sell"),
    ({"type": "iceberg"}, "invalid order type iceberg"),
    ({"order_class": "mleg"}, "invalid order_class mleg"),
    ({"stop_loss": {"stop_price": "5"}}, "simple orders must not have"),
    ({"extended_hours": True}, "extended hours"),
    ({"stop_price": "5"}, "market orders require no stop_price"),
    ({"notional": "5"}, "and not both"),
    ({"qty": None}, "qty or notional is required"),
    ({"qty": "0"}, "qty must be > 0"),
    ({"qty": "-1"}, "qty must be > 0"),
    ({"qty": "NaN"}, "qty must be > 0"),
    ({"qty": "many"}, "qty must be a number"),
    ({"qty": True}, "qty must be a number"),
    ({"qty": "1e20"}, "qty is too large"),
    ({"qty": "1.0000000001"}, "limited to 9 decimal places"),
    ({"time_in_force": "fok"}, "invalid time_in_force"),
    ({"type": "limit"}, "limit orders require limit_price"),
    ({"type": "limit", "limit_price": "5", "stop_price": "4"}, "limit orders require no stop_price"),
    ({"type": "stop"}, "stop orders require stop_price"),
    ({"type": "stop_limit", "stop_price": "5"}, "stop_limit orders require limit_price"),
    ({"type": "limit", "limit_price": "5.123"}, "invalid limit_price 5.123. sub-penny increment does not"),
    ({"type": "stop", "stop_price": "0.12345"}, "invalid stop_price 0.12345. sub-penny increment"),
    ({"type": "limit", "limit_price": "NaN"}, "limit_price must be > 0"),
    ({"type": "limit", "limit_price": "-1"}, "limit_price must be > 0"),
    ({"type": "limit", "limit_price": "5", "qty": None, "notional": "5"}, "notional orders must be market"),
    ({"type": "limit", "limit_price": "5", "extended_hours": True}, "extended hours are not traded"),
    ({"type": "trailing_stop"}, "require either trail_price or trail_percent"),
    ({"type": "trailing_stop", "trail_price": "1", "trail_percent": "1"}, "require either trail_price or"),
    ({"type": "trailing_stop", "trail_percent": "100"}, "trail_percent must be < 100"),
    (
        {"type": "trailing_stop", "trail_percent": "1", "qty": "1.5"},
        "fractional orders must be market, limit",
    ),
    ({"type": "trailing_stop", "trail_percent": "1", "time_in_force": "ioc"}, "must not be IOC orders"),
    (
        {"symbol": COIN, "time_in_force": "gtc", "type": "stop", "stop_price": "1"},
        "invalid order type for crypto",
    ),
    ({"qty": "1.5", "time_in_force": "gtc"}, "fractional orders must be DAY orders"),
    ({"symbol": COIN, "time_in_force": "day"}, "invalid crypto time_in_force"),
    ({"client_order_id": "x" * 129}, "no more than 128 characters"),
]

BRACKET = {"order_class": "bracket", "take_profit": {"limit_price": "9000"}, "stop_loss": {"stop_price": "1"}}
OCO = {**BRACKET, "order_class": "oco", "type": "limit", "side": "sell"}
OTO = {"order_class": "oto", "stop_loss": {"stop_price": "1"}}
BAD_CLASSES = [
    ({**BRACKET, "take_profit": None}, "bracket orders require take_profit.limit_price"),
    ({**BRACKET, "stop_loss": {}}, "bracket orders require stop_loss.stop_price"),
    ({**BRACKET, "stop_loss": {"limit_price": "5"}}, "bracket orders require stop_loss.stop_price"),
    ({**OCO, "type": "market"}, "oco orders must be limit orders"),
    ({**OTO, **BRACKET, "order_class": "oto"}, "oto orders require either take_profit.limit_price or"),
    ({**OTO, "stop_loss": None}, "oto orders require either take_profit.limit_price or"),
    ({**BRACKET, "side": "sell"}, "bracket orders must be entry orders"),
    ({**OTO, "side": "sell"}, "oto orders must be entry orders"),
    ({**OCO, "side": "buy"}, "oco orders must be exit orders"),
    (OCO, "oco orders must be exit orders"),
    ({**BRACKET, "qty": "1.5"}, "fractional orders must be simple orders"),
    ({**BRACKET, "qty": None, "notional": "50"}, "fractional orders must be simple orders"),
    ({**BRACKET, "time_in_force": "ioc"}, "bracket orders must be DAY or GTC orders"),
    ({**BRACKET, "extended_hours": True}, "extended hours order must be DAY limit orders"),
    ({**BRACKET, "symbol": COIN, "time_in_force": "gtc"}, "not allowed for advanced order_class: bracket"),
    ({**BRACKET, "type": "trailing_stop", "trail_price": "1"}, "trailing_stop orders must be simple orders"),
    (
        {**BRACKET, "take_profit": {"limit_price": "1"}},
        "take_profit.limit_price must be > stop_loss.stop_price",
    ),
    (
        {**BRACKET, "take_profit": {"limit_price": "2"}},
        "take_profit.limit_price must be >= base_price + 0.01",
    ),
    ({**BRACKET, "stop_loss": {"stop_price": "8000"}}, "stop_loss.stop_price must be <= base_price - 0.01"),
    ({**BRACKET, "stop_loss": {"stop_price": "1.001"}}, "invalid stop_loss.stop_price 1.001. sub-penny"),
    ({**BRACKET, "stop_loss": "1"}, "stop_loss must be an object"),
    ({**BRACKET, "stop_loss": {"stop_price": "NaN"}}, "stop_loss.stop_price must be > 0"),
    ({**OTO, "type": "limit", "limit_price": "1"}, "stop_loss.stop_price must be <= base_price - 0.01"),
]
SHAPES = {message for _, message in BAD_CLASSES if "require" in message} | {"oco orders must be limit orders"}


@pytest.mark.parametrize(("fields", "message"), BAD + BAD_CLASSES)
def test_nonsense_is_422(client: Client, fields: dict[str, Any], message: str) -> None:
    """docs/lessons.md#lesson-5: null, NaN and nonsense never become an order."""
    before = len(client.get("/v2/orders", status="all", limit="500"))

    body = {"qty": "1", "symbol": STOCK, "time_in_force": "day", **fields}
    reply = client.post_order(body.pop("symbol") or "", **body)

    assert reply.status_code == 422
    assert reply.json()["code"] == (40010001 if message in SHAPES else 42210000)
    assert message in reply.json()["message"]
    assert len(client.get("/v2/orders", status="all", limit="500")) == before


@pytest.mark.parametrize(
    ("symbol", "fields", "message"),
    [
        (STOCK, {"qty": "1000000"}, "insufficient buying power"),
        (STOCK, {"notional": "100001"}, "insufficient buying power"),
        (STOCK, {"notional": "0.5"}, "cost basis must be >= minimal amount of order 1"),
        (COIN, {"notional": "9.99"}, "cost basis must be >= minimal amount of order 10"),
        (COIN, {"qty": "0.000001"}, "cost basis must be >= minimal amount of order 10"),
        (STOCK, {"side": "sell", "qty": "1"}, "insufficient qty available for order"),
        (COIN, {"side": "sell", "qty": "1"}, "insufficient qty available for order"),
    ],
)
def test_what_the_account_may_not_do_is_403(
    client: Client, symbol: str, fields: dict[str, str], message: str
) -> None:
    side = fields.pop("side", "buy")

    reply = client.post_order(symbol, side, **fields)

    assert reply.status_code == 403
    assert reply.json()["code"] == 40310000
    assert message in reply.json()["message"]


def test_parts_of_a_share_need_a_fractionable_asset(client: Client) -> None:
    whole = next(
        a["symbol"] for a in client.get("/v2/assets", asset_class="us_equity") if not a["fractionable"]
    )

    for fields in ({"qty": "0.5"}, {"notional": "20"}):
        reply = client.post_order(whole, **fields)
        assert (reply.status_code, reply.json()["message"]) == (403, f'asset "{whole}" is not fractionable')
    assert client.filled(whole, qty="1")["filled_qty"] == "1"


@pytest.mark.parametrize("body", ["{", "[]", '"text"', ""])
def test_body_that_is_no_object_is_400(client: Client, body: str) -> None:
    reply = client.send("POST", "/v2/orders", data=body)

    assert (reply.status_code, reply.json()["code"]) == (400, 40010000)


@pytest.mark.parametrize(
    "query", ["status=some", "limit=x", "limit=0", "limit=501", "after=never", "direction=up"]
)
def test_bad_query_of_orders_is_422(client: Client, query: str) -> None:
    reply = client.send("GET", f"/v2/orders?{query}")

    assert (reply.status_code, reply.json()["code"]) == (422, 42210000)


@pytest.mark.parametrize("path", ["/v2/calendar?start=x", "/v2/account/activities?date=x"])
def test_bad_dates_are_422(client: Client, path: str) -> None:
    assert client.send("GET", path).status_code == 422


def test_order_without_a_client_order_id_gets_one(client: Client) -> None:
    assert len(client.order(STOCK, client_order_id=None)["client_order_id"]) == 36
