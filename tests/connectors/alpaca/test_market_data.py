"""Alpaca's prices and news in our types."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from connectors.alpaca.data_mapping import quote_from_snapshot
from connectors.alpaca.market_data import AlpacaCryptoData, AlpacaNews, AlpacaStockData
from connectors.base import Bar, Headline, Quote
from connectors.errors import RejectedError, UnavailableError
from tests.connectors import samples
from tests.connectors.server import Answer, ProviderServer

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
KEYS = ("AKTESTKEY123", "secretsecretsecret")
SINCE, UNTIL = datetime(2020, 10, 15, tzinfo=UTC), datetime(2020, 10, 15, 20, tzinfo=UTC)


@pytest.fixture
def stocks(server: ProviderServer) -> AlpacaStockData:
    return AlpacaStockData(*KEYS, server.url)


@pytest.fixture
def coins(server: ProviderServer) -> AlpacaCryptoData:
    return AlpacaCryptoData(*KEYS, server.url)


@pytest.fixture
def news(server: ProviderServer) -> AlpacaNews:
    return AlpacaNews(*KEYS, server.url)


def test_a_stock_quote_is_the_latest_trade(server: ProviderServer, stocks: AlpacaStockData) -> None:
    server.on("GET", "/v2/stocks/snapshots", Answer({"AAPL": samples.snapshot(), "MSFT": None}))

    assert stocks.quotes(["AAPL", "MSFT", "NOPE"]) == {
        "AAPL": Quote(
            symbol="AAPL",
            price=Decimal("120.71"),
            quoted_at=datetime(2020, 10, 15, 14, 0, 30, 123456, UTC),
            source="alpaca",
            previous_close=Decimal("121.19"),
            day_volume=Decimal(112559),
            day_high=Decimal("121.2"),
            day_low=Decimal("118.1"),
        )
    }
    assert server.seen[0].query["symbols"] == "AAPL,MSFT,NOPE"
    assert server.seen[0].headers["APCA-API-KEY-ID"] == "AKTESTKEY123"


def test_a_coin_quote_comes_from_under_snapshots(server: ProviderServer, coins: AlpacaCryptoData) -> None:
    server.on("GET", "/v1beta3/crypto/us/snapshots", Answer({"snapshots": {"BTC/USD": samples.snapshot()}}))

    assert coins.quotes(["BTC/USD", "AAPL"])["BTC/USD"].price == Decimal("120.71")
    assert server.seen[0].query["symbols"] == "BTC/USD"


NEWER_BAR = {"t": "2020-10-15T14:01:00Z", "c": 119.5}


@pytest.mark.parametrize(
    ("overrides", "price", "second"),
    [
        ({"minuteBar": NEWER_BAR}, "119.5", (1, 0)),
        ({"latestTrade": None}, "120.6", (0, 0)),
        ({"latestTrade": {"t": "2020-10-15T14:00:30Z", "p": 0}}, "120.6", (0, 0)),
        ({"latestTrade": {"t": "2020-10-15T14:00:30Z", "p": float("nan")}}, "120.6", (0, 0)),
        ({"latestTrade": {"p": 120.71}}, "120.6", (0, 0)),
        ({"minuteBar": None}, "120.71", (0, 30)),
        ({"minuteBar": {"t": "2020-10-15T14:01:00Z", "c": -1}}, "120.71", (0, 30)),
        ({"latestTrade": {"t": "2020-10-15T14:00:00Z", "p": 120.71}}, "120.71", (0, 0)),
    ],
)
def test_the_newest_positive_price_counts(
    overrides: dict[str, Any], price: str, second: tuple[int, int]
) -> None:
    quote = quote_from_snapshot("AAPL", samples.snapshot(**overrides))

    assert quote is not None
    assert quote.price == Decimal(price)
    assert (quote.quoted_at.minute, quote.quoted_at.second) == second


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        samples.snapshot(latestTrade=None, minuteBar=None),
        samples.snapshot(latestTrade=7, minuteBar=0),
    ],
)
def test_without_a_price_there_is_no_quote(raw: Any) -> None:
    """docs/lessons.md#lesson-18."""
    assert quote_from_snapshot("AAPL", raw) is None


def test_daily_figures_that_are_missing_are_none() -> None:
    quote = quote_from_snapshot("AAPL", samples.snapshot(dailyBar={"v": -1}, prevDailyBar={"c": 0}))

    assert quote is not None
    assert (quote.previous_close, quote.day_volume) == (None, None)


def test_quotes_are_asked_for_in_batches_of_50(server: ProviderServer, stocks: AlpacaStockData) -> None:
    symbols = [f"A{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(120)]

    async def snapshots(request: web.Request) -> web.StreamResponse:
        return web.json_response({name: samples.snapshot() for name in request.query["symbols"].split(",")})

    server.on("GET", "/v2/stocks/snapshots", snapshots)

    assert list(stocks.quotes(symbols)) == symbols
    assert [len(seen.query["symbols"].split(",")) for seen in server.seen] == [50, 50, 20]


def test_no_symbol_no_request(server: ProviderServer, stocks: AlpacaStockData, news: AlpacaNews) -> None:
    assert stocks.quotes(["BTC/USD", "not a symbol"]) == {}
    assert stocks.daily_bars([], start=date(2020, 10, 1), end=date(2020, 10, 2)) == {}
    assert news.headlines([], since=SINCE, until=UNTIL) == []
    assert server.seen == []


def test_bars_of_all_pages_come_oldest_first(server: ProviderServer, stocks: AlpacaStockData) -> None:
    server.on(
        "GET",
        "/v2/stocks/bars",
        Answer({"bars": {"AAPL": [samples.bar("2020-10-14", 99.25)]}, "next_page_token": "p2"}),
        Answer(
            {
                "bars": {"AAPL": [samples.bar("2020-10-15"), samples.bar("2020-10-13")], "MSFT": []},
                "next_page_token": "p3",
            }
        ),
        Answer({"bars": None, "next_page_token": None}),
    )

    bars = stocks.daily_bars(["AAPL", "MSFT"], start=date(2020, 10, 14), end=date(2020, 10, 15))

    assert list(bars) == ["AAPL"]
    assert [bar.opened_at.day for bar in bars["AAPL"]] == [14, 15], "the 13th is outside the bounds"
    assert bars["AAPL"][0] == Bar(
        opened_at=datetime(2020, 10, 14, 4, tzinfo=UTC),
        open=Decimal(100),
        high=Decimal(102),
        low=Decimal("99.5"),
        close=Decimal("99.25"),
        volume=Decimal(12345),
    )
    assert [seen.query.get("page_token") for seen in server.seen] == [None, "p2", "p3"]
    assert (server.seen[0].query["start"], server.seen[0].query["end"]) == (
        "2020-10-14T00:00:00Z",
        "2020-10-15T23:59:59Z",
    )


@pytest.mark.parametrize("broken", [{"c": 0}, {"o": None}, {"h": float("nan")}, {"v": -1}])
def test_a_bar_without_prices_is_left_out(
    server: ProviderServer, coins: AlpacaCryptoData, broken: dict[str, Any]
) -> None:
    rows = [samples.bar("2020-10-14", **broken), samples.bar("2020-10-15")]
    server.on("GET", "/v1beta3/crypto/us/bars", Answer({"bars": {"BTC/USD": rows}, "next_page_token": None}))

    bars = coins.daily_bars(["BTC/USD"], start=date(2020, 10, 14), end=date(2020, 10, 15))

    assert [bar.opened_at.day for bar in bars["BTC/USD"]] == [15]


def test_a_page_token_that_repeats_is_reported(server: ProviderServer, stocks: AlpacaStockData) -> None:
    server.on("GET", "/v2/stocks/bars", Answer({"bars": {}, "next_page_token": "same"}))

    with pytest.raises(UnavailableError, match="next_page_token repeats"):
        stocks.daily_bars(["AAPL"], start=date(2020, 10, 14), end=date(2020, 10, 15))


def test_pages_without_end_are_reported(server: ProviderServer, stocks: AlpacaStockData) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.json_response({"bars": {}, "next_page_token": f"p{len(server.seen)}"})

    server.on("GET", "/v2/stocks/bars", page)

    with pytest.raises(UnavailableError, match="more than 100 pages"):
        stocks.daily_bars(["AAPL"], start=date(2020, 10, 14), end=date(2020, 10, 15))


def test_without_a_subscription_bars_come_from_iex(
    server: ProviderServer, stocks: AlpacaStockData, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = {"message": "subscription does not permit querying recent SIP data"}

    async def page(request: web.Request) -> web.StreamResponse:
        if request.query.get("feed") != "iex":
            return web.json_response(refusal, status=403)
        return web.json_response({"bars": {"AAPL": [samples.bar("2020-10-15")]}, "next_page_token": None})

    server.on("GET", "/v2/stocks/bars", page)

    for _ in range(2):
        assert stocks.daily_bars(["AAPL"], start=date(2020, 10, 15), end=date(2020, 10, 15))["AAPL"]

    assert [seen.query.get("feed") for seen in server.seen] == [None, "iex", "iex"]
    assert "using IEX alone" in caplog.text


def test_another_refusal_of_bars_is_final(server: ProviderServer, stocks: AlpacaStockData) -> None:
    server.on("GET", "/v2/stocks/bars", Answer({"message": "forbidden."}, 403))

    with pytest.raises(RejectedError, match="forbidden"):
        stocks.daily_bars(["AAPL"], start=date(2020, 10, 15), end=date(2020, 10, 15))

    assert len(server.seen) == 1


def test_a_headline_is_plain_text_with_our_symbols(server: ProviderServer, news: AlpacaNews) -> None:
    server.on("GET", "/v1beta1/news", Answer({"news": [samples.news()], "next_page_token": None}))

    assert news.headlines(["AAPL", "BTC/USD"], since=SINCE, until=UNTIL) == [
        Headline(
            headline_id="24843171",
            source="benzinga",
            symbols=("AAPL", "BTC/USD"),
            title="Apple's quarter beats estimates",
            summary="Sales grew & so on.",
            url="https://example.com/a",
            published_at=datetime(2020, 10, 15, 13, tzinfo=UTC),
        )
    ]
    assert server.seen[0].query["symbols"] == "AAPL,BTCUSD"


@pytest.mark.parametrize(
    "overrides",
    [
        {"created_at": "2020-10-15T20:00:01Z"},
        {"created_at": "2020-10-14T23:59:59Z"},
        {"updated_at": "2020-10-15T21:00:00Z"},
        {"headline": ""},
        {"headline": None},
    ],
)
def test_news_from_outside_the_window_is_left_out(
    server: ProviderServer, news: AlpacaNews, overrides: dict[str, Any]
) -> None:
    """docs/lessons.md#lesson-40: neither published nor edited after the moment of asking."""
    server.on("GET", "/v1beta1/news", Answer({"news": [samples.news(**overrides)], "next_page_token": None}))

    assert news.headlines(["AAPL"], since=SINCE, until=UNTIL) == []


def test_many_symbols_are_asked_for_in_lines_that_servers_take(
    server: ProviderServer, news: AlpacaNews
) -> None:
    symbols = [f"{first}{second}{third}" for first in "ABCD" for second in ALPHABET for third in ALPHABET]

    async def thirty(request: web.Request) -> web.StreamResponse:
        asked = request.query["symbols"].split(",")
        number = symbols.index(asked[0])
        rows = [
            samples.news(
                id=number + row, created_at=f"2020-10-15T13:{row:02}:00Z", symbols=[asked[row], symbols[0]]
            )
            for row in range(30)
        ]
        return web.json_response({"news": rows, "next_page_token": None})

    server.on("GET", "/v1beta1/news", thirty)

    headlines = news.headlines(symbols, since=SINCE, until=UNTIL)

    asked = [seen.query["symbols"].split(",") for seen in server.seen]
    assert [symbol for batch in asked for symbol in batch] == symbols
    assert max(len(",".join(batch)) for batch in asked) < 4_000
    times = [headline.published_at for headline in headlines]
    assert len(times) == 50
    assert times == sorted(times, reverse=True)
    assert {headline.symbols[-1] for headline in headlines} == {symbols[0]}


def test_at_most_50_headlines_newest_first(server: ProviderServer, news: AlpacaNews) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        first = int(request.query.get("page_token", "0"))
        rows = [
            samples.news(id=number, created_at=f"2020-10-15T13:{59 - number % 60:02}:00Z", symbols=None)
            for number in range(first, first + 20)
        ]
        return web.json_response({"news": rows, "next_page_token": str(first + 20)})

    server.on("GET", "/v1beta1/news", page)

    headlines = news.headlines(["AAPL"], since=SINCE, until=UNTIL)

    assert [headline.headline_id for headline in headlines] == [str(number) for number in range(50)]
    assert len(server.seen) == 3
