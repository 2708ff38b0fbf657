"""The page of a symbol: everything about it in one place, in few queries however much there is."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests import factories as make
from tests.trading.performance.booked import traded
from trading.models import BarHistory, Thesis

Login = Callable[..., Client]
MOST_QUERIES = 12
OPENED = datetime(2026, 11, 2, 15, tzinfo=UTC)


def url_of(symbol: str) -> str:
    return reverse("admin:trading_symbol", args=[symbol])


def page_of(client: Client, symbol: str = "AAPL", **asked: str) -> str:
    answer = client.get(url_of(symbol), asked)
    assert answer.status_code == 200
    return answer.content.decode()


def chart_in(page: str) -> list[dict[str, Any]]:
    found = re.search(r'<script id="symbol-candles" type="application/json">(.*?)</script>', page)
    assert found, "no chart"
    series: list[dict[str, Any]] = json.loads(found[1])["series"]
    return series


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
def test_symbol_has_a_page_as_the_broker_writes_it(login: Login, symbol: str) -> None:
    make.make_asset(symbol)

    assert "never traded here" in page_of(login("viewer"), symbol)


@pytest.mark.parametrize("written", ["btc", "btc-usd", "BTCUSD"])
def test_symbol_written_otherwise_leads_to_the_one_that_is_meant(login: Login, written: str) -> None:
    make.make_asset("BTC/USD")

    answer = login("viewer").get(url_of(written))

    assert answer.headers["Location"] == url_of("BTC/USD")


def test_symbol_that_nobody_knows_is_not_found(login: Login) -> None:
    assert login("viewer").get(url_of("NOPE")).status_code == 404


def test_who_may_not_look_at_the_agent_may_not_look_here(login: Login) -> None:
    make.make_asset("AAPL")

    assert login("nobody").get(url_of("AAPL")).status_code in (302, 403)


def a_traded_symbol() -> None:
    """AAPL: bought at 100 with a stop at 95, sold at 120, bought again and held; some days of bars before."""
    now = OPENED + timedelta(hours=4)
    make.make_agent(market_time=now, market_time_read_at=timezone.now(), market_open=True)
    make.make_asset("AAPL", name="Apple Inc.")
    bars = [[f"2026-10-{day}T00:00:00+00:00", "99", "103", "97", "101", "1000"] for day in (28, 29, 30)]
    BarHistory.objects.create(
        symbol="AAPL", market_date=date(2026, 11, 2), bars=bars, fetched_at=timezone.now()
    )
    strategy = make.make_strategy(name="Dips")
    bought = make.make_decision(
        strategy=strategy,
        price=Decimal("99.9"),
        status="executed",
        stop_percent=Decimal(5),
        target_percent=Decimal(10),
    )
    traded("buy", "2", "100", decision=bought, at=OPENED)
    traded("sell", "2", "120", at=OPENED + timedelta(hours=1))
    Thesis.objects.update(closed_at=OPENED + timedelta(hours=1), exit_reason="signal")
    again = make.make_decision(strategy=strategy, status="executed")
    traded("buy", "1", "110", decision=again, at=OPENED + timedelta(hours=2))
    make.make_position(
        "AAPL", average_entry_price=Decimal(110), unrealised_pnl=Decimal("-5.5"), stop_price=Decimal("104.5"),
        protected_by="broker", opened_at=OPENED + timedelta(hours=2),
    )  # fmt: skip
    for number, price in enumerate(("100", "118", "121", "104.5")):
        at = OPENED + timedelta(hours=number)
        make.make_snapshot(price=Decimal(price), quoted_at=at, fetched_at=timezone.now())


def test_page_tells_what_is_held_earned_and_traded(login: Login) -> None:
    a_traded_symbol()

    page = page_of(login("viewer"))

    for words in (
        "Apple Inc.",
        "104.50",
        "stop 104.50",
        "+40.00 USD",
        "-5.00 %",
        "Dips",
        "+4.00",
        "UTC market time",
    ):
        assert words in page, words


def test_chart_has_bars_the_last_day_entries_exits_and_the_stop_over_time(login: Login) -> None:
    a_traded_symbol()

    days = {one["name"]: one for one in chart_in(page_of(login("viewer")))}
    hours = {one["name"]: one for one in chart_in(page_of(login("viewer"), candles="hour"))}

    assert [point["time"] for point in days["AAPL"]["points"]] == [
        "2026-10-28", "2026-10-29", "2026-10-30", "2026-11-02",
    ]  # fmt: skip
    assert days["AAPL"]["points"][-1] == {
        "time": "2026-11-02", "open": 100.0, "high": 121.0, "low": 100.0, "close": 104.5,
    }  # fmt: skip
    assert [mark["text"] for mark in days["AAPL"]["markers"]] == ["buy 2", "sell 2 +40.00", "buy 1"]
    assert days["AAPL"]["lines"] == [{"price": 110.0, "colour": "main", "title": "bought at"}]
    stops = [point.get("value") for point in hours["stop"]["points"]]
    assert stops == [95.0, None, 104.5, 104.5], "none while nothing is held"
    assert [point.get("value") for point in hours["target"]["points"]] == [110.0, None, None, None]


def test_decision_says_the_figures_that_decided(login: Login) -> None:
    make.make_asset("AAPL")
    check = make.make_risk_check(
        reason="low_confidence", figures={"confidence": "0.66", "min_confidence": "0.7"}
    )
    make.make_decision(status="denied", reason="low_confidence", risk_check=check)

    assert "<b>low confidence</b> 0.66 &lt; 0.70" in page_of(login("viewer"))


def test_page_names_what_waits_what_blocks_and_what_was_said(login: Login) -> None:
    make.make_asset("AAPL")
    make.make_agent(market_time=OPENED, market_time_read_at=timezone.now())
    make.make_approval(decision=make.make_decision(status="awaiting_approval", confidence=Decimal("0.77")))
    make.make_symbol_lock("AAPL", reason="earnings tonight", author="ann")
    make.make_cycle(headlines=[
        {"title": "Apple rises", "source": "venue", "symbols": ["AAPL"], "published_at": "2026-11-02T14:00:00+00:00"},
        {"title": "Oil falls", "source": "venue", "symbols": ["XOM"], "published_at": "2026-11-02T14:00:00+00:00"},
    ])  # fmt: skip
    make.make_order(status="accepted", purpose="entry")

    page = page_of(login("viewer"))

    for words in (
        "Waits for an answer",
        "0.77",
        "earnings tonight",
        "Apple rises",
        "Orders that have not ended",
    ):
        assert words in page, words
    assert "Oil falls" not in page


@pytest.mark.parametrize("asked", [{}, {"candles": "hour"}, {"candles": "minutes"}, {"candles": "nonsense"}])
def test_symbol_without_prices_says_so(login: Login, asked: dict[str, str]) -> None:
    make.make_asset("AAPL")

    assert "Too few prices are stored" in page_of(login("viewer"), **asked)


def test_queries_are_few_and_do_not_grow(login: Login) -> None:
    client = login("viewer")
    a_traded_symbol()
    client.get(url_of("AAPL"))
    with CaptureQueriesContext(connection) as few:
        page_of(client)
    for number in range(30):
        make.make_decision()
        make.make_round_trip(number=1000 + number)
        make.make_snapshot(quoted_at=OPENED + timedelta(minutes=number))
        traded("buy", "1", "100")
        make.make_order(status="accepted")
        make.make_approval()

    with CaptureQueriesContext(connection) as many:
        page_of(client)

    assert len(few) == len(many) <= MOST_QUERIES, [query["sql"][:120] for query in many]
