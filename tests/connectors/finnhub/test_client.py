"""Finnhub's prices and news in our types."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from connectors.base import Headline, Quote
from connectors.errors import RejectedError, UnavailableError
from connectors.finnhub.client import FinnhubData
from tests.connectors import samples
from tests.connectors.server import Answer, ProviderServer, hang

SINCE, UNTIL = datetime(2020, 10, 15, tzinfo=UTC), datetime(2020, 10, 15, 20, tzinfo=UTC)


@pytest.fixture
def finnhub(server: ProviderServer) -> FinnhubData:
    return FinnhubData("finnhubkey123", f"{server.url}/api/v1")


def make_by_symbol(answers: dict[str, Answer]) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await answers[request.query["symbol"]](request)

    return handler


def test_a_quote_carries_the_providers_time(server: ProviderServer, finnhub: FinnhubData) -> None:
    server.on_any(Answer(samples.finnhub_quote()))

    assert finnhub.quotes(["AAPL", "BTC/USD"]) == {
        "AAPL": Quote(
            symbol="AAPL",
            price=Decimal("261.74"),
            quoted_at=datetime(2020, 10, 15, 14, tzinfo=UTC),
            source="finnhub",
            previous_close=Decimal("259.45"),
            day_high=Decimal("263.3"),
            day_low=Decimal("260.7"),
        )
    }
    assert [seen.query["symbol"] for seen in server.seen] == ["AAPL"]


@pytest.mark.parametrize("overrides", [{"c": 0, "t": 0}, {"c": 0}, {"t": 0}, {"c": None}])
def test_zeros_are_no_price(server: ProviderServer, finnhub: FinnhubData, overrides: dict[str, Any]) -> None:
    """docs/lessons.md#lesson-18: an unknown symbol is answered with zeros."""
    server.on_any(Answer(samples.finnhub_quote(**overrides)))

    assert finnhub.quotes(["NOPE"]) == {}


def test_what_failed_for_some_symbols_is_missing_and_said(
    server: ProviderServer, finnhub: FinnhubData, caplog: pytest.LogCaptureFixture
) -> None:
    """docs/lessons.md#lesson-13."""
    good = Answer(samples.finnhub_quote())
    server.on_any(make_by_symbol({"AAPL": good, "MSFT": Answer({"error": "oops"}, 500), "IBM": good}))

    assert set(finnhub.quotes(["AAPL", "MSFT", "IBM"])) == {"AAPL", "IBM"}
    assert "1 of 3 symbols are missing: HTTP 500: oops" in caplog.text


def test_after_too_many_requests_nothing_more_is_asked(
    server: ProviderServer, finnhub: FinnhubData, caplog: pytest.LogCaptureFixture
) -> None:
    limit = Answer({"error": "API limit reached."}, 429, {"Retry-After": "30"})
    server.on_any(make_by_symbol({"AAPL": Answer(samples.finnhub_quote()), "MSFT": limit}))

    assert set(finnhub.quotes(["AAPL", "MSFT", "IBM"])) == {"AAPL"}
    assert len(server.seen) == 2
    assert "2 of 3 symbols are missing" in caplog.text


def test_the_budget_bounds_a_slow_provider(server: ProviderServer, caplog: pytest.LogCaptureFixture) -> None:
    server.on_any(hang)
    finnhub = FinnhubData(
        "finnhubkey123", f"{server.url}/api/v1", total_timeout_seconds=1.0, budget_seconds=1.9
    )

    with pytest.raises(UnavailableError):
        finnhub.quotes([f"S{number}" for number in range(20)])

    assert len(server.seen) == 2


def test_a_refused_key_is_final(server: ProviderServer, finnhub: FinnhubData) -> None:
    server.on_any(Answer({"error": "Invalid API key"}, 401))

    with pytest.raises(RejectedError, match="Invalid API key"):
        finnhub.quotes(["AAPL", "MSFT"])

    assert len(server.seen) == 1


def test_a_symbol_outside_the_plan_is_missing(server: ProviderServer, finnhub: FinnhubData) -> None:
    refusal = Answer({"error": "You don't have access to this resource."}, 403)
    server.on_any(make_by_symbol({"ABC.TO": refusal, "AAPL": Answer(samples.finnhub_quote())}))

    assert set(finnhub.quotes(["ABC.TO", "AAPL"])) == {"AAPL"}


def test_an_answer_that_is_not_json_is_unavailable(server: ProviderServer, finnhub: FinnhubData) -> None:
    server.on_any(Answer(b"welcome", headers={"Content-Type": "text/html"}))

    with pytest.raises(UnavailableError, match="FinnhubRequestException: Invalid Response: welcome"):
        finnhub.quotes(["AAPL"])


def test_news_of_several_symbols_is_told_once(server: ProviderServer, finnhub: FinnhubData) -> None:
    shared, own = samples.finnhub_news(), samples.finnhub_news(id=7, datetime=1602770401)
    server.on_any(make_by_symbol({"AAPL": Answer([shared]), "MSFT": Answer([shared, own])}))

    headlines = finnhub.headlines(["AAPL", "MSFT"], since=SINCE, until=UNTIL)

    assert [headline.headline_id for headline in headlines] == ["7", "25286"]
    assert headlines[1] == Headline(
        headline_id="25286",
        source="Wire",
        symbols=("AAPL", "MSFT"),
        title="More sales",
        summary="More.",
        url="https://example.com/b",
        published_at=datetime(2020, 10, 15, 14, tzinfo=UTC),
    )
    assert (server.seen[0].query["from"], server.seen[0].query["to"]) == ("2020-10-15", "2020-10-15")


@pytest.mark.parametrize(
    "overrides", [{"datetime": 1602799201}, {"datetime": 1602719999}, {"datetime": 0}, {"headline": None}]
)
def test_news_from_outside_the_window_is_left_out(
    server: ProviderServer, finnhub: FinnhubData, overrides: dict[str, Any]
) -> None:
    """docs/lessons.md#lesson-40: the provider's bounds are whole days, ours are moments."""
    server.on_any(Answer([samples.finnhub_news(**overrides)]))

    assert finnhub.headlines(["AAPL"], since=SINCE, until=UNTIL) == []


def test_news_of_many_symbols_are_asked_for_side_by_side(
    server: ProviderServer, finnhub: FinnhubData
) -> None:
    """Ten answers that each wait for all ten requests to be there."""
    names = [f"S{number}" for number in range(10)]
    everybody = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if len(server.seen) >= len(names):
            everybody.set()
        await asyncio.wait_for(everybody.wait(), 2.5)
        number = int(request.query["symbol"][1:])
        return await Answer([samples.finnhub_news(id=number, datetime=1602770400 + number)])(request)

    server.on_any(handler)

    headlines = finnhub.headlines(names, since=SINCE, until=UNTIL)

    assert [headline.symbols for headline in headlines] == [(name,) for name in reversed(names)]


def test_news_of_one_symbol_that_fails_lose_only_that_ones(
    server: ProviderServer, finnhub: FinnhubData, caplog: pytest.LogCaptureFixture
) -> None:
    answers = {name: Answer([samples.finnhub_news(id=n)]) for n, name in enumerate(("AAPL", "IBM"), 1)}
    server.on_any(make_by_symbol({**answers, "MSFT": Answer({"error": "oops"}, 500)}))

    headlines = finnhub.headlines(["AAPL", "MSFT", "IBM"], since=SINCE, until=UNTIL)

    assert {headline.symbols for headline in headlines} == {("AAPL",), ("IBM",)}
    assert "1 of 3 symbols are missing: HTTP 500: oops" in caplog.text


def test_a_story_is_tagged_in_the_order_asked_whichever_answer_comes_first(
    server: ProviderServer, finnhub: FinnhubData
) -> None:
    last = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.query["symbol"] == "AAPL":
            await asyncio.wait_for(last.wait(), 2.5)
        reply = await Answer([samples.finnhub_news()])(request)
        if request.query["symbol"] == "MSFT":
            last.set()
        return reply

    server.on_any(handler)

    (headline,) = finnhub.headlines(["AAPL", "MSFT"], since=SINCE, until=UNTIL)

    assert headline.symbols == ("AAPL", "MSFT")
