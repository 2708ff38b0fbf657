"""One odd row in every list that a provider answers: the others are used, it is counted and named.

Generated over all fields of every list, each missing, null, of the wrong type, with NUL and absurd, over real HTTP.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from aiohttp import web

from connectors.alpaca.market_data import AlpacaCryptoData, AlpacaNews, AlpacaStockData
from connectors.coingecko.client import CoinGeckoData
from connectors.errors import UnavailableError
from connectors.finnhub.client import FinnhubData
from connectors.rows import UnreadableRow, unreadable_of
from tests.connectors import samples
from tests.connectors.conftest import make_broker
from tests.connectors.server import Answer, Handler, ProviderServer

KEYS = ("AKTESTKEY123", "secretsecretsecret")
SINCE, UNTIL = datetime(2020, 10, 15, tzinfo=UTC), datetime(2020, 10, 16, tzinfo=UTC)
DAY = date(2020, 10, 15)
MISSING = object()
ODD_VALUES: Mapping[str, object] = {
    "missing": MISSING,
    "null": None,
    "a list": [],
    "an object": {"a": 1},
    "true": True,
    "a word": "n/a",
    "NUL": "\x00",
    "half an emoji": "\ud83d",
    "1e40": 1e40,
    "1e40 as text": "1e40",
    "NaN": float("nan"),
    "NaN as text": "NaN",
    "infinite": float("inf"),
    "-1": -1,
    "-1 as text": "-1",
    "1e-40": "1e-40",
    "very long": "x" * 5000,
    "a year ago in the year 1": "0001-01-01T00:00:00Z",
    "the year 9999": "9999-12-31T23:59:59Z",
}


@dataclass(frozen=True)
class Listing:
    """One list of a provider.

    Args:
        row: one sound row.
        answer: puts rows into the path's answer; the first is odd, the others sound.
        ask: returns what was understood, by name, and the names of the rows.
        needed: fields without which a row cannot be understood; all others may be missing or null.
        unread: fields that nothing is taken from.
    """

    paths: Mapping[str, Callable[[Any], Any]]
    row: Mapping[str, Any]
    ask: Callable[[ProviderServer], tuple[Iterable[str], Any]]
    needed: frozenset[str]
    unread: frozenset[str] = frozenset()


def _broker_list(path: str, sound: Any, ask: Callable[[Any], Any], name: str) -> dict[str, Any]:
    def asked(server: ProviderServer) -> tuple[list[str], Any]:
        found = ask(make_broker(server))
        return [getattr(one, name) for one in found], found

    return {"paths": {path: lambda odd: [odd, sound]}, "ask": asked}


def _by_symbol(source: Callable[[ProviderServer], Any], symbols: list[str]) -> Any:
    def asked(server: ProviderServer) -> tuple[list[str], Any]:
        found = source(server).quotes(symbols)
        return list(found), found

    return asked


def _alpaca(server: ProviderServer) -> AlpacaStockData:
    return AlpacaStockData(*KEYS, server.url)


def _finnhub(server: ProviderServer) -> FinnhubData:
    return FinnhubData("finnhubkey123", f"{server.url}/api/v1")


def _bars(server: ProviderServer) -> tuple[list[str], Any]:
    found = _alpaca(server).daily_bars(["AAPL", "MSFT"], start=date(2020, 10, 1), end=DAY)
    return [f"{symbol} {bar.opened_at:%d}" for symbol, bars in found.items() for bar in bars], found


def _news(make: Callable[[ProviderServer], Any]) -> Any:
    def asked(server: ProviderServer) -> tuple[list[str], Any]:
        found = make(server).headlines(["AAPL"], since=SINCE, until=UNTIL)
        return [item.headline_id for item in found], found

    return asked


def _snapshot_part(part: str, *needed: str) -> Listing:
    return Listing(
        {
            "/v2/stocks/snapshots": lambda odd: {
                "AAPL": samples.snapshot(**{part: odd}),
                "OTHER": samples.snapshot(),
            }
        },
        samples.snapshot()[part],
        _by_symbol(_alpaca, ["AAPL", "OTHER"]),
        frozenset(needed),
        unread=frozenset(samples.snapshot()[part]) - set(needed),
    )


STOCK = samples.position(symbol="AAPL", asset_class="us_equity", qty="5", qty_available="5")
ORDER_UNREAD = frozenset(
    {
        "created_at",
        "expired_at",
        "canceled_at",
        "failed_at",
        "asset_id",
        "notional",
        "type",
        "time_in_force",
        "extended_hours",
    }
) | {"legs", "order_class"}
LISTINGS: Mapping[str, Listing] = {
    "positions": Listing(
        row=STOCK,
        needed=frozenset(STOCK) - {"asset_id", "exchange", "qty_available", "current_price"},
        unread=frozenset({"asset_id", "exchange"}),
        **_broker_list(
            "/v2/positions",
            samples.position(symbol="OTHER", asset_class="us_equity"),
            lambda broker: broker.positions(),
            "symbol",
        ),
    ),
    "orders": Listing(
        row=samples.order(),
        needed=frozenset({"id", "client_order_id", "symbol", "side", "status", "qty", "filled_qty"}),
        unread=ORDER_UNREAD | {"filled_avg_price"},
        **_broker_list(
            "/v2/orders",
            samples.order(id="other", client_order_id="OTHER"),
            lambda broker: broker.orders(open_only=False),
            "client_order_id",
        ),
    ),
    "activities": Listing(
        row=samples.fill(),
        needed=frozenset({"id", "transaction_time", "price", "qty", "side", "symbol", "order_id"}),
        unread=frozenset({"activity_type", "type", "leaves_qty", "cum_qty", "order_status"}),
        **_broker_list(
            "/v2/account/activities/FILL",
            samples.fill(id="OTHER"),
            lambda broker: broker.fills(),
            "execution_id",
        ),
    ),
    "what is no execution": Listing(
        row=samples.dividend(symbol="AAPL"),
        needed=frozenset({"id", "activity_type", "date"}),
        unread=frozenset({"qty", "per_share_amount", "status"}),
        **_broker_list(
            "/v2/account/activities",
            samples.dividend(id="OTHER"),
            lambda broker: broker.activities(after=SINCE),
            "activity_id",
        ),
    ),
    "bars": Listing(
        {
            "/v2/stocks/bars": lambda odd: {
                "bars": {
                    "AAPL": [samples.bar("2020-10-12"), odd, samples.bar("2020-10-14")],
                    "MSFT": [samples.bar("2020-10-14")],
                },
                "next_page_token": None,
            }
        },
        samples.bar("2020-10-13"),
        _bars,
        frozenset("tohlcv"),
        unread=frozenset("n"),
    ),
    "snapshots, the latest trade": _snapshot_part("latestTrade", "t", "p"),
    "snapshots, the minute": _snapshot_part("minuteBar", "t", "c"),
    "snapshots, the day": _snapshot_part("dailyBar", "t", "h", "l", "v"),
    "snapshots, the day before": _snapshot_part("prevDailyBar", "c"),
    "news": Listing(
        {"/v1beta1/news": lambda odd: {"news": [odd, samples.news(id=7)], "next_page_token": None}},
        samples.news(),
        _news(lambda server: AlpacaNews(*KEYS, server.url)),
        frozenset({"id", "headline", "created_at"}),
        unread=frozenset({"author", "content", "images"}),
    ),
    "Finnhub's quotes": Listing(
        {"/api/v1//quote": lambda odd: odd},
        samples.finnhub_quote(),
        _by_symbol(_finnhub, ["AAPL", "OTHER"]),
        frozenset("ct"),
        unread=frozenset({"d", "dp", "o"}),
    ),
    "Finnhub's news": Listing(
        {"/api/v1//company-news": lambda odd: [odd, samples.finnhub_news(id=7)]},
        samples.finnhub_news(),
        _news(_finnhub),
        frozenset({"datetime", "headline", "id"}),
        unread=frozenset({"category", "image", "related"}),
    ),
    "CoinGecko's prices": Listing(
        {
            "/api/v3/simple/price": lambda odd: {
                "bitcoin": odd,
                "ethereum": samples.COINGECKO_PRICES["ethereum"],
            }
        },
        samples.COINGECKO_PRICES["bitcoin"],
        _by_symbol(lambda server: CoinGeckoData("", f"{server.url}/api/v3"), ["BTC/USD", "ETH/USD"]),
        frozenset({"usd", "last_updated_at"}),
    ),
}
CASES = [
    (name, field)
    for name, listing in LISTINGS.items()
    for field in listing.row
    if field not in listing.unread
]


def serve(server: ProviderServer, listing: Listing, odd: object) -> None:
    for path, build in listing.paths.items():
        sound = build(listing.row)
        # One request a symbol: the first is the odd one.
        answers = (odd, sound) if path == "/api/v1//quote" else (build(odd),)
        server.on("GET", path, *(raw(answer) for answer in answers))


def raw(body: object) -> Handler:
    """Answer this as Python's JSON writes it, which knows NaN and infinite numbers."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=json.dumps(body), content_type="application/json")

    return answer


def with_value(row: Mapping[str, Any], field: str, value: object) -> dict[str, Any]:
    return {name: held for name, held in row.items() if name != field} | (
        {} if value is MISSING else {field: value}
    )


@pytest.mark.parametrize("name", LISTINGS)
def test_sound_rows_are_all_used(server: ProviderServer, name: str) -> None:
    serve(server, LISTINGS[name], LISTINGS[name].row)

    names, found = LISTINGS[name].ask(server)

    assert len(list(names)) == (4 if name == "bars" else 2)
    assert unreadable_of(found) == ()


@pytest.mark.parametrize(("name", "field"), CASES)
def test_one_odd_field_takes_nothing_with_it(server: ProviderServer, name: str, field: str) -> None:
    """Whatever stands in it: the other rows are used; where the row is not, it is counted and its field named."""
    listing = LISTINGS[name]
    serve(server, listing, listing.row)
    all_names = set(listing.ask(server)[0])
    for what, value in ODD_VALUES.items():
        serve(server, listing, with_value(listing.row, field, value))

        names, found = listing.ask(server)

        unreadable = unreadable_of(found)
        others = all_names & set(names)
        assert len(others) >= len(all_names) - 1, (what, names)
        assert len(unreadable) <= 1, (what, unreadable)
        assert is_right(listing, field, what, value, others == all_names, unreadable), (
            what,
            names,
            unreadable,
        )


def is_right(
    listing: Listing,
    field: str,
    what: str,
    value: object,
    is_used: bool,
    unreadable: tuple[UnreadableRow, ...],
) -> bool:
    """Return whether an odd row was used in full, or named by the field that is odd."""
    named = bool(unreadable) and unreadable[0].field.rpartition(".")[2] == field
    if value in (MISSING, None):
        return named if field in listing.needed else is_used and not unreadable
    if named:
        return True
    # Not named: what stands there is sound for this field.
    return not unreadable and isinstance(value, int | float | str | list)


@pytest.mark.parametrize(
    "name", [name for name in LISTINGS if not name.startswith(("snap", "Finnhub's q", "bars"))]
)
@pytest.mark.parametrize("odd", [None, 7, "row", [], True], ids=repr)
def test_row_that_is_no_object_takes_nothing_with_it(server: ProviderServer, name: str, odd: object) -> None:
    serve(server, LISTINGS[name], odd)

    names, found = LISTINGS[name].ask(server)

    assert len(list(names)) == 1
    assert len(unreadable_of(found)) == (0 if name.startswith("Coin") and odd is None else 1)


@pytest.mark.parametrize("name", ["positions", "orders", "activities", "news", "Finnhub's news"])
def test_list_of_which_most_rows_are_odd_is_refused(server: ProviderServer, name: str) -> None:
    for path, build in LISTINGS[name].paths.items():
        body = build({})
        if isinstance(body, dict):
            body["news"] = [*body["news"], {}, {}]
        else:
            body += [{}, {}]
        server.on("GET", path, raw(body))

    with pytest.raises(UnavailableError, match="3 of 4 rows cannot be read"):
        LISTINGS[name].ask(server)


ASSET_FIELDS = [name for name in samples.asset() if name not in ("id", "class", "status")]


@pytest.mark.parametrize("field", ASSET_FIELDS)
def test_odd_listing_takes_nothing_with_it(server: ProviderServer, field: str) -> None:
    for what, value in ODD_VALUES.items():
        odd = with_value(samples.asset(symbol="ODD"), field, value)

        async def listing(request: web.Request, odd: Any = odd) -> web.StreamResponse:
            coins = request.query["asset_class"] == "crypto"
            rows = [samples.coin_asset()] if coins else [samples.asset(), odd]
            return web.Response(text=json.dumps(rows), content_type="application/json")

        server.on("GET", "/v2/assets", listing)

        found = make_broker(server).assets()

        symbols = [asset.symbol for asset in found]
        assert {"AAPL", "BTC/USD"} <= set(symbols), what
        fields = {row.field for row in found.unreadable}
        assert fields <= {field}, what
        if value is None and field != "name":
            assert fields == {field}


@pytest.mark.parametrize("field", ["min_order_size", "min_trade_increment"])
def test_odd_size_of_a_coin_leaves_the_other_coins(server: ProviderServer, field: str) -> None:
    for value in ("n/a", "NaN", "1e40", -1, [], True):
        odd = samples.coin_asset("ODD/USD", **{field: value})
        server.on("GET", "/v2/assets", Answer([samples.coin_asset(), odd]))

        found = make_broker(server).assets()

        assert {asset.symbol for asset in found} == {"BTC/USD"}
        assert {(row.symbol, row.field) for row in found.unreadable} == {("ODD/USD", field)}


def test_coin_snapshots_are_read_alike(server: ProviderServer) -> None:
    odd = samples.snapshot(latestTrade={"t": "2020-10-15T14:00:30Z", "p": "NaN"}, minuteBar=None)
    body = {"snapshots": {"BTC/USD": odd, "ETH/USD": samples.snapshot()}}
    server.on("GET", "/v1beta3/crypto/us/snapshots", Answer(body))

    found = AlpacaCryptoData(*KEYS, server.url).quotes(["BTC/USD", "ETH/USD"])

    assert list(found) == ["ETH/USD"]
    assert [str(row) for row in found.unreadable] == ["BTC/USD: latestTrade.p is 'NaN'"]
