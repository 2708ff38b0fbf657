"""What the paper account answers, in our types."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from connectors.alpaca.broker import AlpacaBroker
from connectors.base import (
    Account,
    Asset,
    AssetClass,
    BrokerActivity,
    BrokerFill,
    BrokerPosition,
    MarketClock,
    Side,
)
from connectors.errors import RejectedError, UnavailableError
from tests.connectors import samples
from tests.connectors.conftest import make_broker
from tests.connectors.server import (
    Answer,
    Handler,
    ProviderServer,
    drip,
    hang,
    redirect_to,
    reset,
    truncated,
)

NOT_FOUND = Answer({"code": 40410000, "message": "order not found for decision-1"}, 404)


def test_account(server: ProviderServer, broker: AlpacaBroker) -> None:
    server.on("GET", "/v2/account", Answer(samples.account()))

    assert broker.account() == Account(
        account_id="e6fe16f3-64a4-4921-8928-cadf02f92f98",
        status="ACTIVE",
        equity=Decimal("100250.25"),
        last_equity=Decimal("100000"),
        cash=Decimal("99000.5"),
        buying_power=Decimal("199000.5"),
        trading_blocked=False,
    )


@pytest.mark.parametrize("name", ["trading_blocked", "account_blocked", "trade_suspended_by_user"])
def test_an_account_blocked_in_any_way_may_not_trade(
    server: ProviderServer, broker: AlpacaBroker, name: str
) -> None:
    server.on("GET", "/v2/account", Answer(samples.account(**{name: True})))

    assert broker.account().trading_blocked


def test_clock_is_utc_to_the_microsecond(server: ProviderServer, broker: AlpacaBroker) -> None:
    server.on("GET", "/v2/clock", Answer(samples.clock()))

    assert broker.clock() == MarketClock(
        now=datetime(2020, 10, 15, 14, 0, 0, 123456, UTC),
        is_open=True,
        next_open=datetime(2020, 10, 16, 13, 30, tzinfo=UTC),
        next_close=datetime(2020, 10, 15, 20, tzinfo=UTC),
    )


def test_assets_are_common_stocks_and_coins_in_dollars(server: ProviderServer, broker: AlpacaBroker) -> None:
    stocks = [
        samples.asset(),
        samples.asset(symbol="BRK.B", exchange="NYSE"),
        samples.asset(symbol="RELAW", name="Reliance Global Warrant expiring 2026"),
        samples.asset(symbol="GOOGU", name="An ordinary company"),
        samples.asset(symbol="BAC.PRA"),
        samples.asset(symbol="OTCXX", exchange="OTC"),
        samples.asset(symbol="OLD", status="inactive"),
        samples.asset(symbol="HALT", tradable=False),
        samples.asset(symbol="OPT", **{"class": "us_option"}),
    ]
    coins = [samples.coin_asset(), samples.coin_asset("BTC/USDT"), samples.coin_asset("ETH/BTC")]

    async def listing(request: web.Request) -> web.StreamResponse:
        return web.json_response(coins if request.query["asset_class"] == "crypto" else stocks)

    server.on("GET", "/v2/assets", listing)

    assets = broker.assets()

    assert [asset.symbol for asset in assets] == ["AAPL", "BRK.B", "GOOGU", "BTC/USD"]
    assert assets[-1] == Asset(
        symbol="BTC/USD",
        name="Bitcoin / US Dollar",
        asset_class=AssetClass.CRYPTO,
        exchange="CRYPTO",
        tradable=True,
        fractionable=True,
        min_order_size=Decimal("0.0001"),
        min_trade_increment=Decimal("0.000000001"),
    )
    assert assets[0].min_order_size is None


def test_positions_speak_of_pairs(server: ProviderServer, broker: AlpacaBroker) -> None:
    """docs/lessons.md#lesson-38: the quantity is the position's own, fees taken."""
    stock = samples.position(
        symbol="AAPL", asset_class="us_equity", qty="5", side="short", current_price=None
    )
    del stock["qty_available"]
    server.on("GET", "/v2/positions", Answer([samples.position(), stock]))

    coin, short = broker.positions()

    assert coin == BrokerPosition(
        symbol="BTC/USD",
        asset_class=AssetClass.CRYPTO,
        quantity=Decimal("0.123456789"),
        quantity_available=Decimal("0.1"),
        average_entry_price=Decimal("11500.25"),
        market_value=Decimal("1419.78"),
        current_price=Decimal("11500.3"),
    )
    assert (short.symbol, short.quantity, short.quantity_available) == ("AAPL", Decimal(-5), Decimal(-5))
    assert short.current_price is None


def test_an_unknown_quote_currency_is_looked_up_in_the_listing(
    server: ProviderServer, broker: AlpacaBroker
) -> None:
    server.on("GET", "/v2/positions", Answer([samples.position(symbol="BTCEUR")]))
    server.on("GET", "/v2/assets", Answer([samples.coin_asset("BTC/EUR")]))

    assert [position.symbol for position in broker.positions()] == ["BTC/EUR"]


def test_a_pair_that_nobody_lists_is_named(server: ProviderServer, broker: AlpacaBroker) -> None:
    """docs/lessons.md#lesson-12."""
    server.on("GET", "/v2/positions", Answer([samples.position(symbol="BTCEUR")]))
    server.on("GET", "/v2/assets", Answer([]))

    held = broker.positions()

    assert held == []
    assert [str(row) for row in held.unreadable] == ["BTCEUR: symbol is 'BTCEUR'"]


@pytest.mark.parametrize(
    "odd",
    [{"symbol": ""}, {"side": "field symbol"}, {"qty": "field symbol"}],
    ids=["none", "side", "quantity"],
)
def test_listing_is_asked_for_a_pair_that_is_not_known_and_for_nothing_else(
    server: ProviderServer, broker: AlpacaBroker, odd: dict[str, str]
) -> None:
    """What a provider writes into a field decides nothing."""
    server.on("GET", "/v2/positions", Answer([samples.position(**odd)]))

    assert broker.positions() == []
    (row,) = broker.holdings().unreadable
    assert (row.symbol, row.field) == ("" if "symbol" in odd else "BTC/USD", next(iter(odd)))

    assert {seen.path for seen in server.seen} == {"/v2/positions"}


def test_unreadable_pair_among_holdings_is_looked_up_in_the_listing(
    server: ProviderServer, broker: AlpacaBroker
) -> None:
    server.on("GET", "/v2/positions", Answer([samples.position(), samples.position(symbol="BTCEUR")]))
    server.on("GET", "/v2/assets", Answer([samples.coin_asset("BTC/EUR")]))

    held = broker.holdings()

    assert [position.symbol for position in held.positions] == ["BTC/USD", "BTC/EUR"]
    assert held.unreadable == ()


@pytest.mark.parametrize(
    "answer", [Answer([{"symbol": "AAPL"}, 7, None, samples.position()]), Answer({"positions": []})]
)
def test_positions_of_which_most_cannot_be_read_fail_the_read(
    server: ProviderServer, broker: AlpacaBroker, answer: Answer
) -> None:
    """docs/lessons.md#lesson-9: a position left out is a position counted as none."""
    server.on("GET", "/v2/positions", answer)

    with pytest.raises(UnavailableError, match="malformed answer"):
        broker.positions()


def test_what_can_be_sold_is_known_whatever_else_is_listed(
    server: ProviderServer, broker: AlpacaBroker
) -> None:
    server.on("GET", "/v2/positions", Answer([{"symbol": "AAPL"}, 7, None, samples.position()]))

    held = broker.holdings()

    assert [position.symbol for position in held.positions] == ["BTC/USD"]
    assert [row.name for row in held.unreadable] == ["AAPL", "a row without a name", "a row without a name"]


def test_position_without_a_value_is_held_and_named(server: ProviderServer, broker: AlpacaBroker) -> None:
    """As of a share that was delisted."""
    delisted = samples.position(symbol="SIVBQ", asset_class="us_equity", qty="4", qty_available="4") | {
        "market_value": None,
        "current_price": None,
    }
    server.on("GET", "/v2/positions", Answer([samples.position(), delisted]))

    held = broker.positions()

    assert [(p.symbol, p.quantity, p.market_value) for p in held][1:] == [("SIVBQ", Decimal(4), None)]
    assert [str(row) for row in held.unreadable] == ["SIVBQ: market_value is None"]


def test_option_and_spread_are_of_another_kind(server: ProviderServer, broker: AlpacaBroker) -> None:
    option = samples.position(symbol="SPY201218C00350000", asset_class="us_option")
    spread = samples.order(id="spread", order_class="mleg", symbol="", asset_class="", side="")
    server.on("GET", "/v2/positions", Answer([option] * 5))
    server.on("GET", "/v2/orders", Answer([spread, samples.order()]))

    held, listed = broker.positions(), broker.orders(open_only=True)

    assert held == []
    assert [row.other_kind for row in held.unreadable] == ["us_option"] * 5
    assert [order.symbol for order in listed] == ["AAPL"]
    assert [str(row) for row in listed.unreadable] == ["spread: is another kind (mleg), not traded here"]


def test_pages_of_orders_go_on_past_rows_that_cannot_be_read(
    server: ProviderServer, broker: AlpacaBroker
) -> None:
    first = [samples.order(id=f"order-{n}", client_order_id=f"ours-{n}") for n in range(500)]
    first[-1] |= {"filled_qty": "NaN", "submitted_at": "2021-03-17T18:38:01Z"}
    second = [first[-1], samples.order(id="last", client_order_id="last")]
    server.on("GET", "/v2/orders", Answer(first), Answer(second))

    listed = broker.orders(open_only=False)

    assert (len(listed), listed[-1].broker_order_id) == (500, "last")
    assert [(row.row_id, row.field) for row in listed.unreadable] == [("order-499", "filled_qty")]
    assert server.seen[1].query["after"].startswith("2021-03-17T18:38:00.999999")


def test_order_is_found_by_client_order_id(server: ProviderServer, broker: AlpacaBroker) -> None:
    server.on("GET", "/v2/orders:by_client_order_id", Answer(samples.order()))

    order = broker.order_by_client_order_id("decision-1-entry-1")

    assert order is not None
    assert order.submitted_at == datetime(2021, 3, 16, 18, 38, 1, 937734, UTC)
    assert order.updated_at == datetime(2021, 3, 16, 18, 38, 1, 942282, UTC)
    assert order.average_price is None
    assert server.seen[0].query == {"client_order_id": "decision-1-entry-1"}


def test_no_order_is_none_in_the_brokers_words_only(server: ProviderServer, broker: AlpacaBroker) -> None:
    """docs/lessons.md#lesson-36: a proxy's 404 page must not make us post the order again."""
    server.on("GET", "/v2/orders:by_client_order_id", NOT_FOUND, Answer(b"<html>404</html>", 404))
    server.on("GET", f"/v2/orders/{samples.ORDER_ID}", NOT_FOUND)

    assert broker.order_by_client_order_id("decision-1") is None
    assert broker.order(samples.ORDER_ID) is None
    with pytest.raises(UnavailableError, match="404"):
        broker.order_by_client_order_id("decision-1")


@pytest.mark.parametrize("order_id", ["", "../account", "a/b", "a?b", "x" * 65])
def test_what_is_no_order_id_is_not_asked_for(
    server: ProviderServer, broker: AlpacaBroker, order_id: str
) -> None:
    """docs/lessons.md#lesson-12."""
    with pytest.raises(RejectedError, match="not an order id"):
        broker.order(order_id)
    with pytest.raises(RejectedError, match="not an order id"):
        broker.cancel_order(order_id)

    assert server.seen == []


def _numbered_orders(count: int, *, at_once: int) -> list[dict[str, Any]]:
    start = datetime(2020, 10, 15, 14, tzinfo=UTC)
    return [
        samples.order(
            id=f"order-{number}",
            submitted_at=(start + timedelta(seconds=number // at_once))
            .isoformat()
            .replace("+00:00", ".000000123Z"),
        )
        for number in range(count)
    ]


def test_orders_come_from_all_pages_once_and_oldest_first(
    server: ProviderServer, broker: AlpacaBroker
) -> None:
    orders = _numbered_orders(1234, at_once=7)

    async def page(request: web.Request) -> web.StreamResponse:
        after = request.query.get("after")
        found = [row for row in orders if after is None or _time(row["submitted_at"]) > _time(after)]
        return web.json_response(found[: int(request.query["limit"])])

    server.on("GET", "/v2/orders", page)

    found = broker.orders(open_only=False)

    assert [order.broker_order_id for order in found] == [row["id"] for row in orders]
    assert [seen.query["direction"] for seen in server.seen] == ["asc"] * 3


def test_open_orders_are_asked_for_as_such(server: ProviderServer, broker: AlpacaBroker) -> None:
    server.on("GET", "/v2/orders", Answer([samples.order()]))

    broker.orders(open_only=True, after=datetime(2020, 10, 15, tzinfo=UTC))

    assert server.seen[0].query["status"] == "open"
    assert server.seen[0].query["after"] == "2020-10-15T00:00:00+00:00"


def test_orders_that_page_for_ever_end_when_nothing_is_new(
    server: ProviderServer, broker: AlpacaBroker
) -> None:
    server.on("GET", "/v2/orders", Answer(_numbered_orders(500, at_once=500)))

    assert len(broker.orders(open_only=False)) == 500
    assert len(server.seen) == 2


def test_fills_come_from_all_pages_after_the_bound(server: ProviderServer, broker: AlpacaBroker) -> None:
    bound = datetime(2020, 10, 15, 14, tzinfo=UTC)
    rows = [
        samples.fill(
            id=f"fill-{number:03}",
            transaction_time=(bound + timedelta(seconds=number)).isoformat(),
        )
        for number in range(130)
    ]

    async def page(request: web.Request) -> web.StreamResponse:
        first = 0
        if "page_token" in request.query:
            first = 1 + [row["id"] for row in rows].index(request.query["page_token"])
        return web.json_response(rows[first : first + int(request.query["page_size"])])

    server.on("GET", "/v2/account/activities/FILL", page)

    fills = broker.fills(after=bound)

    assert [fill.execution_id for fill in fills] == [row["id"] for row in rows[1:]]
    assert fills[0] == BrokerFill(
        execution_id="fill-001",
        broker_order_id=samples.ORDER_ID,
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(15),
        price=Decimal("120.71"),
        executed_at=bound + timedelta(seconds=1),
    )


def test_what_the_broker_books_by_itself_comes_from_all_pages(
    server: ProviderServer, broker: AlpacaBroker
) -> None:
    since = datetime(2020, 10, 14, tzinfo=UTC)
    rows = [samples.dividend(id=f"20201015094500{number:03}::d") for number in range(130)]
    rows[1] = samples.fill(id="20201015094500001::f")  # a broker that does not know the category lists all
    rows[2] = samples.dividend(id="20201015094500002::d", status="canceled")
    rows[3] = samples.dividend(
        id="20201015094500003::d",
        activity_type="CSD",
        net_amount="1000",
        symbol=None,
        qty=None,
        per_share_amount=None,
        created_at="2020-10-15T15:00:00Z",
    )

    async def page(request: web.Request) -> web.StreamResponse:
        first = 0
        if "page_token" in request.query:
            first = 1 + [row["id"] for row in rows].index(request.query["page_token"])
        return web.json_response(rows[first : first + int(request.query["page_size"])])

    server.on("GET", "/v2/account/activities", page)

    found = broker.activities(after=since)

    assert len(found) == 128
    assert found[0] == BrokerActivity(
        activity_id="20201015094500000::d",
        kind="DIV",
        net_amount=Decimal("10.25"),
        day=date(2020, 10, 15),
        booked_at=datetime(2020, 10, 15, 13, 45, tzinfo=UTC),  # ids begin with New York's time
        symbol="AAPL",
        quantity=Decimal("12.5"),
        per_share=Decimal("0.82"),
    )
    assert (found[-1].kind, found[-1].net_amount, found[-1].symbol) == ("CSD", 1000, "")
    assert found[-1].booked_at == datetime(2020, 10, 15, 15, tzinfo=UTC)
    asked = [seen.query for seen in server.seen]
    assert [one["category"] for one in asked] == ["non_trade_activity"] * 2


def test_pages_without_end_are_reported(server: ProviderServer, broker: AlpacaBroker) -> None:
    server.on("GET", "/v2/account/activities/FILL", Answer([samples.fill()] * 100))

    with pytest.raises(UnavailableError, match="more than 200 pages"):
        broker.fills()


@pytest.mark.parametrize("status", [200, 204])
def test_cancel_is_asked_for(server: ProviderServer, broker: AlpacaBroker, status: int) -> None:
    server.on("DELETE", f"/v2/orders/{samples.ORDER_ID}", Answer(b"", status))

    broker.cancel_order(samples.ORDER_ID)

    assert [seen.method for seen in server.seen] == ["DELETE"]


@pytest.mark.parametrize("status", [404, 422])
def test_cancel_of_what_cannot_be_canceled_is_rejected(
    server: ProviderServer, broker: AlpacaBroker, status: int
) -> None:
    answer = {"code": 42210000, "message": 'order is already in "filled" state'}
    server.on("DELETE", f"/v2/orders/{samples.ORDER_ID}", Answer(answer, status))

    with pytest.raises(RejectedError, match="already in") as caught:
        broker.cancel_order(samples.ORDER_ID)

    assert caught.value.status_code == status


@pytest.mark.parametrize("status", [429, 500, 503])
def test_cancel_that_failed_is_unavailable(server: ProviderServer, broker: AlpacaBroker, status: int) -> None:
    server.on("DELETE", f"/v2/orders/{samples.ORDER_ID}", Answer({"message": "no"}, status))

    with pytest.raises(UnavailableError):
        broker.cancel_order(samples.ORDER_ID)


@pytest.mark.parametrize(
    "fault",
    [
        hang,
        drip({}, seconds=0.05),
        drip({}, seconds=0.05, in_head=True),
        reset,
        truncated({"cut": True}),
        Answer(b"<html>"),
        redirect_to("http://127.0.0.1:9/"),
    ],
)
def test_cancel_without_an_answer_is_unavailable(server: ProviderServer, fault: Handler) -> None:
    server.on("DELETE", f"/v2/orders/{samples.ORDER_ID}", fault)

    with pytest.raises(UnavailableError):
        make_broker(server, 0.3).cancel_order(samples.ORDER_ID)

    assert len(server.seen) == 1, "a hidden retry"


def test_eight_threads_share_one_client(server: ProviderServer, broker: AlpacaBroker) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response(samples.order(client_order_id=request.query["client_order_id"]))

    server.on("GET", "/v2/orders:by_client_order_id", echo)
    ids = [f"decision-{number}" for number in range(200)]

    with ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(broker.order_by_client_order_id, ids))

    assert [order.client_order_id for order in orders if order] == ids


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
