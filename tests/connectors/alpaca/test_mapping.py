"""Alpaca's words, field by field."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.alpaca import mapping
from connectors.alpaca.symbols import askable, is_common_stock, split_pair
from connectors.base import AssetClass, BrokerOrderStatus, Side
from connectors.errors import UnavailableError
from connectors.wire import Fields, from_unix, to_decimal, to_positive, to_time
from tests.connectors import samples

S = BrokerOrderStatus

STATUSES = {
    "new": S.ACCEPTED,
    "accepted": S.ACCEPTED,
    "pending_new": S.ACCEPTED,
    "accepted_for_bidding": S.ACCEPTED,
    "held": S.ACCEPTED,
    "pending_cancel": S.ACCEPTED,
    "pending_replace": S.ACCEPTED,
    "pending_review": S.ACCEPTED,
    "stopped": S.ACCEPTED,
    "suspended": S.ACCEPTED,
    "calculated": S.ACCEPTED,
    "done_for_day": S.ACCEPTED,
    "filled": S.FILLED,
    "canceled": S.CANCELED,
    "expired": S.EXPIRED,
    "rejected": S.REJECTED,
    "replaced": S.REPLACED,
}


@pytest.mark.parametrize("word", STATUSES)
def test_every_status_of_the_sdk_has_its_meaning(word: str) -> None:
    order = mapping.order_from_wire(samples.order(status=word))

    assert (order.status, order.status_detail) == (STATUSES[word], word)


def test_no_status_of_the_sdk_is_missing() -> None:
    from alpaca.trading.enums import OrderStatus

    assert {status.value for status in OrderStatus} <= {*STATUSES, "partially_filled"}


@pytest.mark.parametrize("word", ["partially_filled", "pending_cancel", "done_for_day", "new"])
def test_a_working_order_with_fills_is_partially_filled(word: str) -> None:
    """docs/lessons.md#lesson-37."""
    raw = samples.order(status=word, filled_qty="0.5", filled_avg_price="120.71")

    order = mapping.order_from_wire(raw)

    assert order.status is S.PARTIALLY_FILLED
    assert (order.filled_quantity, order.average_price) == (Decimal("0.5"), Decimal("120.71"))


def test_a_canceled_order_keeps_what_was_filled() -> None:
    raw = samples.order(status="canceled", filled_qty="3", filled_avg_price="120.71")

    order = mapping.order_from_wire(raw)

    assert (order.status, order.filled_quantity) == (S.CANCELED, Decimal(3))


def test_an_order_by_notional_has_no_quantity() -> None:
    assert mapping.order_from_wire(samples.order(qty=None, notional="500")).quantity is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", None),
        ("id", ""),
        ("client_order_id", 7),
        ("symbol", None),
        ("side", "hold"),
        ("status", "teleported"),
        ("status", None),
        ("qty", "many"),
        ("qty", "-1"),
        ("filled_qty", None),
        ("filled_qty", "NaN"),
        ("filled_qty", "-1"),
        ("filled_qty", True),
        ("filled_at", "yesterday"),
        ("updated_at", 1602770400),
    ],
)
def test_a_malformed_order_field_is_named(name: str, value: Any) -> None:
    """docs/lessons.md#lesson-3, #lesson-5: nothing unchecked becomes an order of ours."""
    with pytest.raises(UnavailableError, match=f"field {name} is"):
        mapping.order_from_wire(samples.order(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("asset_class", "us_option"), ("qty", None), ("side", None), ("avg_entry_price", "-1")],
)
def test_a_malformed_position_field_is_named(name: str, value: Any) -> None:
    with pytest.raises(UnavailableError, match=f"field {name} is"):
        mapping.position_from_wire(Fields("alpaca", "position", samples.position(**{name: value})))


@pytest.mark.parametrize("name", ["id", "status", "equity", "last_equity", "cash", "trading_blocked"])
def test_a_missing_account_field_is_named(name: str) -> None:
    raw = samples.account()
    del raw[name]

    with pytest.raises(UnavailableError, match=f"field {name} is None"):
        mapping.account_from_wire(raw)


def test_a_fill_that_opens_a_short_is_a_sale() -> None:
    fields = Fields("alpaca", "fill", samples.fill(side="sell_short"))

    assert mapping.fill_from_wire(fields).side is Side.SELL


def told(event: str = "fill", **fields: Any) -> dict[str, Any]:
    body = {"execution_id": "e-1", "qty": "4", "price": "12.5", "timestamp": "2020-10-15T14:00:00.1Z"}
    order = samples.order(status="filled", qty="10", filled_qty="10", filled_avg_price="12")
    return {"event": event, "order": order, **body, **fields}


def test_execution_is_the_messages_own_and_not_the_orders_sum() -> None:
    update = mapping.update_from_wire(told())

    assert update.execution is not None
    assert (update.execution.quantity, update.execution.price) == (4, Decimal("12.5"))
    assert update.execution.broker_order_id == update.order.broker_order_id
    assert update.execution.executed_at == datetime(2020, 10, 15, 14, 0, 0, 100_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "fields", [{"qty": None}, {"price": "NaN"}, {"execution_id": ""}, {"timestamp": "soon"}, {"qty": "-4"}]
)
def test_execution_that_cannot_be_read_leaves_the_orders_word(fields: dict[str, Any]) -> None:
    update = mapping.update_from_wire(told(**fields))

    assert (update.execution, update.order.filled_quantity) == (None, 10)


@pytest.mark.parametrize("event", ["new", "canceled", "pending_new", "replaced"])
def test_no_other_message_brings_an_execution(event: str) -> None:
    assert mapping.update_from_wire(told(event)).execution is None


def test_list_and_stream_name_an_execution_alike() -> None:
    update = mapping.update_from_wire(told(execution_id="8efc7b9a"))
    listed = mapping.fill_from_wire(Fields("alpaca", "fill", samples.fill(id="20201015140000123::8efc7b9a")))

    assert update.execution is not None
    assert update.execution.execution_id == listed.execution_id == "8efc7b9a"


@pytest.mark.parametrize(
    ("wire", "listed", "ours"),
    [
        ("BTC/USD", {}, "BTC/USD"),
        ("BTCUSD", {}, "BTC/USD"),
        ("AAPL", {}, "AAPL"),
        ("OPUSD", {"OPUSD": "OP/USD"}, "OP/USD"),
        ("OPUSD", {}, "OPUSD"),
        ("BRK.B", {}, "BRK.B"),
    ],
)
def test_a_fill_names_no_class_but_gets_our_symbol(wire: str, listed: dict[str, str], ours: str) -> None:
    fields = Fields("alpaca", "fill", samples.fill(symbol=wire))

    assert mapping.fill_from_wire(fields, listed).symbol == ours


@pytest.mark.parametrize(
    ("joined", "pair"),
    [
        ("BTCUSD", "BTC/USD"),
        ("USDTUSD", "USDT/USD"),
        ("USDCUSD", "USDC/USD"),
        ("BTCUSDT", "BTC/USDT"),
        ("ETHBTC", "ETH/BTC"),
        ("ETH/USD", "ETH/USD"),
        ("USD", None),
        ("BTCEUR", None),
    ],
)
def test_pairs_are_split_by_their_quote_currency(joined: str, pair: str | None) -> None:
    assert split_pair(joined, {}) == pair


def test_the_listing_decides_before_the_quote_currency() -> None:
    assert split_pair("XUSDUSD", {"XUSDUSD": "X/USDUSD"}) == "X/USDUSD"


@pytest.mark.parametrize(
    ("symbol", "exchange", "name", "is_common"),
    [
        ("AAPL", "NASDAQ", "Apple", True),
        ("BRK.B", "NYSE", "Berkshire", True),
        ("SPAC.U", "NYSE", "Spac Units", False),
        ("SPAC.WS", "NYSE", "Spac Warrants", False),
        ("ABCDW", "NASDAQ", "Abc Warrant", False),
        ("ABCDW", "NASDAQ", "Abc", True),
        ("ABCD", "OTC", "Abc", False),
        ("abc", "NYSE", "Abc", False),
    ],
)
def test_common_listings(symbol: str, exchange: str, name: str, is_common: bool) -> None:
    assert is_common_stock(symbol, exchange, name) is is_common


def test_only_well_formed_symbols_of_one_class_are_asked_for() -> None:
    """docs/lessons.md#lesson-12."""
    symbols = ["AAPL", "BTC/USD", "A,B", "AAPL", "", "aapl", "X&feed=sip", "BRK.B"]

    assert askable(symbols, AssetClass.STOCK) == ["AAPL", "BRK.B"]
    assert askable(symbols, AssetClass.CRYPTO) == ["BTC/USD"]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1.50", Decimal("1.50")),
        (1.1, Decimal("1.1")),
        (1e-08, Decimal("1E-8")),
        (7, Decimal(7)),
        (float("nan"), None),
        ("Infinity", None),
        (True, None),
        (None, None),
        ("", None),
        ("12 apples", None),
        ([], None),
    ],
)
def test_numbers_are_exact_or_none(value: Any, number: Decimal | None) -> None:
    """docs/lessons.md#lesson-5, #lesson-39."""
    assert to_decimal(value) == number


@pytest.mark.parametrize("value", [0, "0", -1, 0.0, None, float("nan")])
def test_what_is_not_positive_is_no_price(value: Any) -> None:
    """docs/lessons.md#lesson-18."""
    assert to_positive(value) is None


@pytest.mark.parametrize(
    "value", ["2020-10-15T14:00:00", "2020-10-15", "soon", 7, None, "0001-01-01T00:00:00+14:00"]
)
def test_a_time_without_a_zone_is_none(value: Any) -> None:
    assert to_time(value) is None


def test_times_are_cut_to_microseconds() -> None:
    moment = datetime(2020, 10, 15, 14, 0, 0, 123456, UTC)

    assert to_time("2020-10-15T14:00:00.123456789Z") == moment
    assert to_time("2020-10-15T10:00:00.123456789-04:00") == moment


@pytest.mark.parametrize("value", [0, -1, "x", 1e20, None])
def test_unix_seconds_out_of_range_are_none(value: Any) -> None:
    assert from_unix(value) is None


@pytest.mark.parametrize(
    ("says", "local", "rate"),
    [
        ({}, True, 1),
        ({"market_rate": 0.0}, True, 0),
        ({"market_rate": 60.0}, True, 60),
        ({"market_rate": 60.0}, False, 1),
        ({"market_rate": "odd"}, False, 1),
    ],
)
def test_clock_of_a_replay_alone_runs_at_its_own_rate(says: dict[str, Any], local: bool, rate: int) -> None:
    raw = samples.clock() | says

    assert mapping.clock_from_wire(raw, may_run_at_its_own_rate=local).rate == rate


@pytest.mark.parametrize("rate", [-1, "odd", "nan", 10**7])
def test_rate_that_is_none_is_refused(rate: object) -> None:
    with pytest.raises(UnavailableError, match="market_rate"):
        mapping.clock_from_wire(samples.clock() | {"market_rate": rate}, may_run_at_its_own_rate=True)
