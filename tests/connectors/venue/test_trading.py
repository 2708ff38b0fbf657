"""Orders and the account over HTTP."""

from decimal import Decimal

from tests.connectors.venue.client import COIN, OTHER_STOCK, STOCK, Client
from tests.venue_process import VenueProcess
from tests.waiting import wait_until


def test_account_begins_with_its_cash_as_strings() -> None:
    with VenueProcess(is_forked=True) as venue:
        account = Client(venue.url).get("/v2/account")

    assert (account["cash"], account["equity"], account["last_equity"]) == ("100000",) * 3
    assert account["buying_power"] == "100000"
    assert account["trading_blocked"] is False
    assert "pattern_day_trader" not in account


def test_order_is_pending_at_first_and_filled_soon(client: Client) -> None:
    taken = client.order(STOCK, qty="2", client_order_id="life")
    done = client.wait_for(taken, "filled")

    assert taken["status"] == "pending_new"
    assert (taken["order_class"], taken["filled_qty"], taken["filled_avg_price"]) == ("", "0", None)
    assert (done["qty"], done["filled_qty"], done["notional"]) == ("2", "2", None)
    assert Decimal(done["filled_avg_price"]) > 0
    assert done["submitted_at"] < done["filled_at"]
    assert client.get("/v2/orders:by_client_order_id", client_order_id="life") == done


def test_duplicate_client_order_id_is_refused_also_after_the_fill(client: Client) -> None:
    client.filled(STOCK, client_order_id="twice")

    reply = client.post_order(STOCK, client_order_id="twice")

    assert reply.status_code == 422
    assert reply.json() == {"code": 40010001, "message": "client_order_id must be unique"}


def test_buying_moves_cash_to_a_position_and_selling_moves_it_back(client: Client) -> None:
    before = Decimal(client.get("/v2/account")["cash"])

    bought = client.filled(OTHER_STOCK, qty="3")
    held = client.position(OTHER_STOCK)
    client.filled(OTHER_STOCK, "sell", qty="3")

    assert held is not None
    assert (held["qty"], held["qty_available"], held["side"]) == ("3", "3", "long")
    assert Decimal(held["avg_entry_price"]) == Decimal(bought["filled_avg_price"])
    assert Decimal(held["market_value"]) == 3 * Decimal(held["current_price"])
    assert client.position(OTHER_STOCK) is None
    assert abs(before - Decimal(client.get("/v2/account")["cash"])) < Decimal(bought["filled_avg_price"])


def test_coin_fee_leaves_less_than_the_gross_filled_quantity(client: Client) -> None:
    """docs/lessons.md#lesson-38."""
    order = client.filled(COIN, qty="0.1")
    position = client.position(COIN)

    gross = client.post_order(COIN, "sell", qty="0.1")
    client.filled(COIN, "sell", qty="0.09975")

    assert order["filled_qty"] == "0.1"
    assert position is not None
    assert (position["symbol"], position["qty"]) == ("BTCUSD", "0.09975")
    assert position["asset_id"] != order["asset_id"]
    assert gross.status_code == 403
    assert gross.json()["code"] == 40310000
    assert (
        gross.json()["message"] == "insufficient qty available for order (requested: 0.1, available: 0.09975)"
    )
    assert client.position(COIN) is None


def test_notional_order_has_no_quantity_of_its_own(client: Client) -> None:
    taken = client.order(STOCK, notional="50")
    done = client.wait_for(taken, "filled")

    assert (done["qty"], done["notional"]) == (None, "50")
    value = Decimal(done["filled_qty"]) * Decimal(done["filled_avg_price"])
    assert 0 <= 50 - value < Decimal("0.01")


def test_selling_by_value_takes_no_more_than_is_held(client: Client) -> None:
    client.filled("HASZ", notional="20")

    too_much = client.post_order("HASZ", "sell", notional="500")
    sold = client.filled("HASZ", "sell", notional="10")

    assert too_much.status_code == 403
    assert Decimal(sold["filled_qty"]) > 0


def test_position_by_symbol_knows_both_spellings(client: Client) -> None:
    client.filled("ETH/USD", qty="0.1")

    one, two = client.get("/v2/positions/ETHUSD"), client.get("/v2/positions/ETH%2FUSD")

    assert one["qty"] == two["qty"] == "0.09975"
    missing = client.send("GET", "/v2/positions/BRHZ")
    assert (missing.status_code, missing.json()["code"]) == (404, 40410000)


def test_open_order_reserves_buying_power_until_it_is_canceled(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="fill_delay")
    before = Decimal(client.get("/v2/account")["buying_power"])

    order = client.wait_for(client.order(STOCK, qty="10"), "new")
    reserved = before - Decimal(client.get("/v2/account")["buying_power"])
    canceled = client.send("DELETE", f"/v2/orders/{order['id']}")
    after = client.get(f"/v2/orders/{order['id']}")

    assert reserved > 0
    assert canceled.status_code == 204
    assert after["status"] == "canceled"
    assert after["canceled_at"] is not None
    assert Decimal(client.get("/v2/account")["buying_power"]) == before


def test_open_sell_holds_its_quantity(venue: VenueProcess, client: Client) -> None:
    client.filled("GLSQ", qty="5")
    venue.fault(kind="fill_delay", symbols=["GLSQ"])

    client.order("GLSQ", "sell", qty="4")
    position = client.position("GLSQ")
    second = client.post_order("GLSQ", "sell", qty="2")

    assert position is not None
    assert (position["qty"], position["qty_available"]) == ("5", "1")
    assert second.status_code == 403
    assert second.json()["held_for_orders"] == "4"


def test_cancel_of_a_filled_order_is_refused(client: Client) -> None:
    order = client.filled(STOCK)

    reply = client.send("DELETE", f"/v2/orders/{order['id']}")

    assert reply.status_code == 422
    assert reply.json() == {"code": 42210000, "message": 'order is already in "filled" state'}


def test_cancel_all_lists_what_it_canceled(venue: VenueProcess, client: Client) -> None:
    venue.fault(kind="fill_delay")
    client.send("DELETE", "/v2/orders")
    orders = [client.order(STOCK), client.order(COIN, qty="0.1")]

    reply = client.send("DELETE", "/v2/orders")

    assert reply.status_code == 207
    assert {line["id"] for line in reply.json()} == {order["id"] for order in orders}
    assert {line["status"] for line in reply.json()} == {200}
    assert client.get("/v2/orders") == []


def test_orders_are_listed_by_status_time_symbol_side_and_limit(client: Client) -> None:
    first, second = client.filled(STOCK), client.filled(COIN, qty="0.01")

    def ids(**params: str) -> list[str]:
        return [order["id"] for order in client.get("/v2/orders", status="all", **params)]

    assert ids(limit="2") == [second["id"], first["id"]]
    assert ids(after=first["submitted_at"], direction="asc") == [second["id"]]
    assert first["id"] in ids(until=second["submitted_at"])
    assert second["id"] not in ids(until=second["submitted_at"])
    assert ids(symbols="BTC/USD", limit="1") == [second["id"]]
    assert ids(side="sell", symbols=STOCK) == []
    assert [o["id"] for o in client.get("/v2/orders", status="closed", limit="1")] == [second["id"]]


def test_unknown_orders_are_not_found(client: Client) -> None:
    for path in ("/v2/orders/nothing", "/v2/orders:by_client_order_id?client_order_id=nothing"):
        reply = client.send("GET", path)
        assert (reply.status_code, reply.json()["code"]) == (404, 40410000)
    assert client.send("DELETE", "/v2/orders/nothing").status_code == 404


def test_fills_are_paged_in_both_directions(client: Client) -> None:
    for _ in range(3):
        client.filled(STOCK)
    newest = client.get("/v2/account/activities/FILL", page_size="100")

    pages, token = [], None
    while page := client.get("/v2/account/activities/FILL", page_size="2", direction="asc", page_token=token):
        pages.extend(page)
        token = page[-1]["id"]

    assert [one["id"] for one in pages] == [one["id"] for one in reversed(newest)]
    assert len({one["id"] for one in pages}) == len(pages) >= 3
    last = newest[0]
    assert (last["activity_type"], last["type"], last["leaves_qty"]) == ("FILL", "fill", "0")
    assert client.get("/v2/account/activities/FILL", after=newest[1]["transaction_time"]) == [last]
    assert client.get("/v2/account/activities/FILL", until="2019-01-01") == []


def test_fee_of_a_coin_is_an_activity_of_its_own(client: Client) -> None:
    client.filled(COIN, qty="0.02")
    bought = client.get("/v2/account/activities", activity_types="CFEE")[0]
    client.filled(COIN, "sell", qty="0.01")
    sold = client.get("/v2/account/activities/CFEE")[0]

    assert (bought["symbol"], bought["qty"], bought["net_amount"]) == ("BTCUSD", "-0.00005", "0")
    assert Decimal(sold["net_amount"]) < 0
    assert {"CFEE", "FILL"} <= {one["activity_type"] for one in client.get("/v2/account/activities")}
    day = bought["date"]
    assert client.get("/v2/account/activities/FILL", date=day)


def test_assets_are_filtered_and_found_by_symbol_and_id(client: Client) -> None:
    stocks = client.get("/v2/assets", asset_class="us_equity", status="active")
    coins = client.get("/v2/assets", asset_class="crypto")
    bitcoin = client.get("/v2/assets/BTC%2FUSD")

    assert (len(stocks), len(coins)) == (150, 20)
    assert client.get("/v2/assets", status="inactive") == []
    assert bitcoin["id"] in {coin["id"] for coin in coins}
    assert bitcoin["class"] == "crypto"
    assert Decimal(bitcoin["min_order_size"]) > 0
    by_pair, by_name = client.get("/v2/assets/BTC/USD"), client.get("/v2/assets/BTCUSD")
    following_the_price = {"min_order_size": None}
    assert by_pair | following_the_price == by_name | following_the_price
    assert client.get(f"/v2/assets/{stocks[0]['id']}")["symbol"] == stocks[0]["symbol"]
    assert 0 < sum(not one["fractionable"] for one in stocks) < 20
    assert client.send("GET", "/v2/assets/NOPE").status_code == 404


def test_calendar_holds_the_sessions_of_its_range(client: Client) -> None:
    days = client.get("/v2/calendar", start="2020-10-15", end="2020-10-19")

    assert [day["date"] for day in days] == ["2020-10-15", "2020-10-16", "2020-10-19"]
    assert (days[0]["open"], days[0]["close"]) == ("09:30", "16:00")


def test_requests_without_keys_are_not_served(client: Client) -> None:
    client.session.headers.clear()

    reply = client.send("GET", "/v2/account")

    assert (reply.status_code, reply.json()["code"]) == (401, 40110000)


def test_unknown_endpoint_is_json_and_logged(venue: VenueProcess, client: Client) -> None:
    reply = client.send("GET", "/v2/watchlists")

    assert (reply.status_code, reply.json()) == (404, {"message": "endpoint not found."})
    assert venue.requests(path="/v2/watchlists")[-1]["status"] == 404


def test_partial_fills_by_seed_add_up() -> None:
    with VenueProcess(is_forked=True, partial_rate=1, fill_latency=0.05) as venue:
        client = Client(venue.url)

        done = client.filled(STOCK, qty="10", client_order_id="parts")
        coin = client.filled(COIN, qty="0.5", client_order_id="coins")
        single = client.filled(STOCK, qty="1", client_order_id="one")
        fills = client.get("/v2/account/activities/FILL", direction="asc")

    parts = [fill for fill in fills if fill["order_id"] == done["id"]]
    assert [part["type"] for part in parts] == ["partial_fill", "fill"]
    assert sum(Decimal(part["qty"]) for part in parts) == 10
    assert Decimal(parts[0]["leaves_qty"]) == Decimal(parts[1]["qty"])
    assert sum(Decimal(f["qty"]) for f in fills if f["order_id"] == coin["id"]) == Decimal("0.5")
    assert len([f for f in fills if f["order_id"] == single["id"]]) == 1
    value = sum(Decimal(part["qty"]) * Decimal(part["price"]) for part in parts)
    assert abs(Decimal(done["filled_avg_price"]) - value / 10) < Decimal("0.000001")


def test_slippage_is_never_in_the_clients_favour() -> None:
    with VenueProcess(is_forked=True, slippage_bps=50) as venue:
        client = Client(venue.url)
        venue.clock(paused=True)
        quote = client.get("/v2/stocks/snapshots", symbols="MESQ")["MESQ"]["latestTrade"]["p"]

        bought = client.filled("MESQ", qty="1", client_order_id="slip-a")
        sold = client.filled("MESQ", "sell", qty="1", client_order_id="slip-b")

    assert Decimal(sold["filled_avg_price"]) <= Decimal(str(quote)) <= Decimal(bought["filled_avg_price"])
    assert Decimal(bought["filled_avg_price"]) <= Decimal(str(quote)) * Decimal("1.006")


def test_equity_follows_prices(client: Client) -> None:
    account = client.get("/v2/account")
    positions = client.get("/v2/positions")

    value = sum(Decimal(one["market_value"]) for one in positions)

    assert abs(Decimal(account["equity"]) - Decimal(account["cash"]) - value) < 1


def test_state_counts_what_happened(venue: VenueProcess, client: Client) -> None:
    client.filled(STOCK)

    report = venue.state_report()

    assert report["orders"] == sum(report["orders_by_status"].values())
    assert report["orders_by_status"]["filled"] > 0
    assert report["data"] == "synthetic"
    assert report["data_ended"] is False
    wait_until(lambda: venue.state_report()["market_time"] > report["market_time"])


def test_sell_by_value_leaves_what_other_sells_hold(venue: VenueProcess, client: Client) -> None:
    client.filled("UMSQ", qty="50")
    venue.fault(
        kind="fill_delay", seconds=2, times=1
    )  # it fills behind the other, however slow the machine is

    by_value = client.order("UMSQ", "sell", notional="20")
    rest = client.position("UMSQ")
    assert rest is not None
    by_quantity = client.order("UMSQ", "sell", qty=rest["qty_available"])

    assert client.wait_for(by_value, "filled")["notional"] == "20"
    assert client.wait_for(by_quantity, "filled")["filled_qty"] == by_quantity["qty"]
