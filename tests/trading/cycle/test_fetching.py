"""A cycle's fetches: prices with source and time, and faults that are recorded, never raised."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from connectors.alpaca import data_mapping
from connectors.base import Quote
from connectors.coingecko import client as coingecko
from connectors.rows import UnreadableRow
from tests.factories import make_agent, make_cycle
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, WHOLE_STOCK, Outside
from tests.trading.scenes import ago
from trading.analysis.price_gaps import gaps_of
from trading.core.providers import current_providers
from trading.core.settings import set_runtime_setting
from trading.cycle import fetching
from trading.cycle.cycles import complete_cycle, start_cycle
from trading.execution.portfolio import sync_portfolio
from trading.market import prices
from trading.market.headlines import fetch_headlines
from trading.models import AgentStatus, BarHistory, Cycle, EquitySnapshot, Event, MarketSnapshot

STOCK_PRICES, COIN_PRICES = "GET /v2/stocks/snapshots", "GET /v1beta3/crypto/us/snapshots"
STOCK_BARS = "GET /v2/stocks/bars"
A_DAY_OF_NEWS = "2020-10-20T15:00:00Z"
STOCKS = (STOCK, OTHER_STOCK)


@pytest.fixture
def cycle(account: Outside) -> Cycle:
    """A fetching cycle whose fetches try once."""
    set_runtime_setting(name="fetch_timeout", value="2", actor="test")
    return make_cycle(status="running", symbols=[*STOCKS, COIN])


def stored(cycle: Cycle) -> dict[str, MarketSnapshot]:
    return {snapshot.symbol: snapshot for snapshot in MarketSnapshot.objects.filter(cycle=cycle)}


def step(cycle: Cycle, name: str) -> dict[str, Any]:
    return dict(Event.objects.get(aggregate_id=str(cycle.pk), type=f"cycle.step.{name}").payload)


def finnhub_quotes(account: Outside) -> list[dict[str, Any]]:
    return [r for r in account.requests() if "finnhub" in r["path"] and r["path"].endswith("/quote")]


def errors(cycle: Cycle) -> list[tuple[str, str]]:
    cycle.refresh_from_db()
    return [(error["operation"], error["type"]) for error in cycle.errors]


def errors_of(cycle: Cycle) -> list[dict[str, Any]]:
    cycle.refresh_from_db()
    return list(cycle.errors)


def test_stocks_are_split_into_batches_of_fifty() -> None:
    symbols = [f"S{number}" for number in range(120)] + ["BTC/USD"]

    batches = list(fetching.stock_batches(symbols))

    assert [len(batch) for batch in batches] == [50, 50, 20]
    assert "BTC/USD" not in batches[2]
    assert list(fetching.stock_batches(["BTC/USD"])) == []


def test_prices_carry_their_source_and_time_and_indicators(account: Outside, cycle: Cycle) -> None:
    """docs/lessons.md#lesson-24."""
    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2

    market_time = account.venue.clock()["market_time"]
    for symbol in STOCKS:
        snapshot = stored(cycle)[symbol]
        assert snapshot.price > 0
        assert snapshot.source == "alpaca"
        assert snapshot.quoted_at.isoformat()[:16] == market_time[:16]
        assert snapshot.previous_close is not None
        assert 0 <= snapshot.indicators["rsi_14"] <= 100
    facts = step(cycle, "stocks")
    assert (facts["count"], facts["missing"], facts["sources"]) == (2, [], ["alpaca"])
    assert errors(cycle) == []


def test_coins_are_fetched_from_their_own_source(account: Outside, cycle: Cycle) -> None:
    assert fetching.fetch_coins(cycle.pk, [COIN]) == 1

    assert stored(cycle)[COIN].source == "alpaca"
    assert step(cycle, "coins")["count"] == 1


def test_finnhub_steps_in_for_a_stock_without_a_price(account: Outside, cycle: Cycle) -> None:
    account.venue.fault(kind="missing_symbol", route=STOCK_PRICES, symbols=[STOCK])

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2

    assert {symbol: s.source for symbol, s in stored(cycle).items()} == {
        STOCK: "finnhub",
        OTHER_STOCK: "alpaca",
    }
    assert stored(cycle)[STOCK].price > 0
    assert step(cycle, "stocks")["sources"] == ["alpaca", "finnhub"]


def test_price_of_zero_is_never_stored(account: Outside, cycle: Cycle) -> None:
    """docs/lessons.md#lesson-18: 0 is no price, wherever it comes from."""
    account.venue.fault(kind="zero_price")

    fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1)
    fetching.fetch_coins(cycle.pk, [COIN])

    assert all(snapshot.price > 0 for snapshot in stored(cycle).values())


def test_coingecko_steps_in_for_a_coin_without_a_price(account: Outside, cycle: Cycle) -> None:
    account.venue.fault(kind="missing_symbol", route=COIN_PRICES)

    assert fetching.fetch_coins(cycle.pk, [COIN]) == 1

    assert stored(cycle)[COIN].source == "coingecko"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "status": 500},
        {"kind": "error", "status": 403},
        {"kind": "rate_limit", "retry_after": 60},
        {"kind": "reset_before"},
        {"kind": "truncate"},
        {"kind": "error", "status": 200, "body": "not json"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}",
)
def test_source_that_fails_is_recorded_and_the_next_one_asked(
    account: Outside, cycle: Cycle, fault: dict[str, Any]
) -> None:
    """docs/lessons.md#lesson-13: enrichment never fails in silence."""
    account.venue.fault(**fault, route=STOCK_PRICES)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2

    assert {s.source for s in stored(cycle).values()} == {"finnhub"}
    failed = [operation for operation, _ in errors(cycle)]
    assert failed == ["quotes alpaca", *(["daily_bars"] if fault["kind"] == "rate_limit" else [])]
    assert Event.objects.filter(aggregate_id=str(cycle.pk), type="cycle.error").count() == len(failed)


def test_source_that_hangs_costs_its_time_and_no_more(account: Outside, cycle: Cycle) -> None:
    """docs/lessons.md#lesson-20: every call outside has a limit, and the next source has its share of the time."""
    set_runtime_setting(name="fetch_timeout", value="6", actor="test")
    account.venue.fault(kind="hang", route=STOCK_PRICES)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2

    assert {s.source for s in stored(cycle).values()} == {"finnhub"}

    assert errors(cycle) == [("quotes alpaca", "UnavailableError")]
    assert step(cycle, "stocks")["seconds"] < 8


def test_no_source_at_all_stores_nothing_and_says_what_is_missing(account: Outside, cycle: Cycle) -> None:
    """docs/lessons.md#lesson-7, #lesson-18: nothing old and no 0 in place of a price."""
    account.venue.fault(kind="error", route=STOCK_PRICES)
    account.venue.fault(kind="error", route="*finnhub*")

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 0

    assert stored(cycle) == {}
    assert step(cycle, "stocks")["missing"] == list(STOCKS)
    assert [operation for operation, _ in errors(cycle)] == ["quotes alpaca", "quotes finnhub"]


def test_tasks_of_a_cycle_share_the_slow_sources_requests(
    account: Outside, cycle: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty a cycle over all tasks together, whichever task needs them."""
    account.venue.fault(kind="missing_symbol", route=STOCK_PRICES)
    monkeypatch.setattr(prices, "FALLBACK_QUOTES_PER_CYCLE", 3)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=30) == 2
    assert fetching.fetch_stocks(cycle.pk, [WHOLE_STOCK, STOCK], batch_count=30) == 1

    assert [q["query"]["symbol"] for q in finnhub_quotes(account)] == [*STOCKS, WHOLE_STOCK]
    assert gaps_of(cycle.pk)[STOCK].detail == (
        f"alpaca: {prices.NO_ANSWER}; finnhub: {prices.NOT_ASKED_BUDGET}"
    )


def test_share_without_redis_is_the_tasks_own(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert prices.take_fallback(uuid4(), 20, share=10) == 10


@pytest.mark.parametrize("seconds", [120, -120], ids=["stale", "from the future"])
def test_price_of_another_time_is_missing_and_the_next_source_is_asked(
    account: Outside, cycle: Cycle, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/lessons.md#lesson-7: judged by market time, and never stored as usable."""
    if seconds > 0:
        account.venue.fault(kind="stale_price", route=STOCK_PRICES, seconds=seconds)
    else:
        ahead = partial(of_another_time, data_mapping.quote_from_snapshot, timedelta(seconds=-seconds))
        monkeypatch.setattr("connectors.alpaca.market_data.quote_from_snapshot", ahead)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2

    assert {s.source for s in stored(cycle).values()} == {"finnhub"}


def of_another_time(
    read: Callable[..., Quote | None], ahead: timedelta, symbol: str, raw: object, odd: object
) -> Quote | None:
    quote = read(symbol, raw, odd)
    return replace(quote, quoted_at=quote.quoted_at + ahead) if quote else None


def test_stale_everywhere_is_missing_with_its_reason(account: Outside, cycle: Cycle) -> None:
    account.venue.fault(kind="stale_price", seconds=120)

    assert fetching.fetch_stocks(cycle.pk, [STOCK], batch_count=1) == 0

    gap = gaps_of(cycle.pk)[STOCK]
    assert gap.reason == "stale_price"
    assert re.fullmatch(r"alpaca: stale, \d+ s old; finnhub: stale, \d+ s old", gap.detail)


def test_clock_that_jumped_condemns_no_price(account: Outside, cycle: Cycle) -> None:
    """What was carried forward may be wrong: the broker is asked before a price is called stale."""
    AgentStatus.objects.update(
        market_time=timezone.now() + timedelta(days=3), market_time_read_at=timezone.now(), market_open=True
    )

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2


def test_closed_market_costs_no_request_for_stocks(account: Outside, cycle: Cycle) -> None:
    account.venue.clock(to="close")

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 0
    assert fetching.fetch_coins(cycle.pk, [COIN]) == 1

    assert step(cycle, "stocks")["skipped"] == "market_closed"
    assert not [r for r in account.requests() if "/stocks/" in r["path"]]


def test_calendar_closes_the_market_where_the_clock_is_away(account: Outside, cycle: Cycle) -> None:
    account.venue.fault(kind="error", route="GET /v2/clock")
    night = datetime(2020, 10, 15, 21, tzinfo=UTC)
    AgentStatus.objects.update(market_time=night, market_time_read_at=ago(minutes=6), market_open=True)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 0

    assert step(cycle, "stocks")["skipped"] == "market_closed"
    assert not [r for r in account.requests() if "/stocks/" in r["path"]]


def test_coin_is_asked_of_both_sources_and_agrees(account: Outside, cycle: Cycle) -> None:
    fetching.fetch_coins(cycle.pk, [COIN])

    snapshot = stored(cycle)[COIN]
    assert (snapshot.source, snapshot.second_source, snapshot.warning) == ("alpaca", "coingecko", "")
    assert snapshot.second_price > 0


def test_disagreement_beyond_its_limit_is_a_warning_and_the_first_source_counts(
    account: Outside, cycle: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed = coingecko.quote_from_wire

    def dearer(symbol: str, raw: object, odd: list[UnreadableRow]) -> Quote | None:
        quote = agreed(symbol, raw, odd)
        return replace(quote, price=quote.price * Decimal("1.03")) if quote else None

    monkeypatch.setattr(coingecko, "quote_from_wire", dearer)

    fetching.fetch_coins(cycle.pk, [COIN])

    snapshot = stored(cycle)[COIN]
    assert snapshot.source == "alpaca"
    assert re.fullmatch(
        r"alpaca says [\d.]+, coingecko [\d.]+: 3\.\d % apart, more than 2\.0 %", snapshot.warning
    )
    warned = Event.objects.get(aggregate_id=str(cycle.pk), type="cycle.warning")
    assert warned.payload["message"] == f"{COIN}: {snapshot.warning}"


def test_limited_provider_means_the_price_of_a_moment_ago(account: Outside, cycle: Cycle) -> None:
    """A Retry-After longer than the fetch's time: what is cached within its age, with its own source and time."""
    earlier = make_cycle(status="completed", symbols=[STOCK])
    fetching.fetch_stocks(earlier.pk, [STOCK], batch_count=1)
    account.venue.fault(kind="rate_limit", retry_after=60, route=STOCK_PRICES)
    account.venue.fault(kind="rate_limit", retry_after=60, route="*finnhub*")

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 1

    assert stored(cycle)[STOCK].source == "cached alpaca"
    assert stored(cycle)[STOCK].quoted_at == stored(earlier)[STOCK].quoted_at
    assert gaps_of(cycle.pk)[OTHER_STOCK].reason == "no_price"


def test_history_is_fetched_once_a_market_day(account: Outside, cycle: Cycle) -> None:
    fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1)
    first = {symbol: s.indicators for symbol, s in stored(cycle).items()}
    later = make_cycle(status="completed", symbols=list(STOCKS))

    fetching.fetch_stocks(later.pk, STOCKS, batch_count=1)

    assert len([r for r in account.requests() if r["path"] == "/v2/stocks/bars"]) == 1
    assert {symbol: s.indicators for symbol, s in stored(later).items()} == first
    assert None not in first.values()


def test_history_of_another_day_is_fetched_again(account: Outside, cycle: Cycle) -> None:
    BarHistory.objects.create(
        symbol=STOCK, market_date="2019-01-02", bars=[["2019-01-01T00:00:00+00:00", *"11111"]],
        fetched_at=timezone.now(),
    )  # fmt: skip

    fetching.fetch_stocks(cycle.pk, [STOCK], batch_count=1)

    assert (
        BarHistory.objects.get(symbol=STOCK).market_date.isoformat()
        == stored(cycle)[STOCK].quoted_at.date().isoformat()
    )
    assert stored(cycle)[STOCK].indicators is not None


def test_missing_history_leaves_a_price_without_indicators(account: Outside, cycle: Cycle) -> None:
    """docs/lessons.md#lesson-13."""
    account.venue.fault(kind="error", route=STOCK_BARS)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2

    assert [s.indicators for s in stored(cycle).values()] == [None, None]
    assert errors(cycle) == [("daily_bars", "UnavailableError")]


def test_time_used_up_by_prices_leaves_none_for_history(
    account: Outside, cycle: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching.cycle_log, "seconds_since", lambda _: 99.0)

    fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1)

    assert not [r for r in account.requests() if r["path"] == "/v2/stocks/bars"]


def test_second_delivery_keeps_the_first_snapshot(account: Outside, cycle: Cycle) -> None:
    fetching.fetch_coins(cycle.pk, [COIN])
    first = stored(cycle)[COIN].pk

    fetching.fetch_coins(cycle.pk, [COIN])

    assert [s.pk for s in MarketSnapshot.objects.all()] == [first]


def test_headlines_are_stored_with_source_and_time(account: Outside, cycle: Cycle) -> None:
    sync_portfolio(None)

    count = fetch_headlines(cycle.pk, cycle.symbols)

    cycle.refresh_from_db()
    assert len(cycle.headlines) == count == step(cycle, "news")["count"]
    for headline in cycle.headlines:
        assert set(headline) == {"source", "symbols", "keywords", "title", "published_at"}
        assert headline["published_at"][:10] <= account.venue.clock()["market_time"][:10]


def test_news_that_fail_are_recorded(account: Outside, cycle: Cycle) -> None:
    """docs/lessons.md#lesson-13."""
    account.venue.fault(kind="error", route="*v1beta1/news*")
    account.venue.fault(kind="error", route="*finnhub*news*")

    assert fetch_headlines(cycle.pk, cycle.symbols) == 0

    assert errors(cycle) == [
        ("fetch_news alpaca", "UnavailableError"),
        ("fetch_news finnhub", "UnavailableError"),
    ]


def test_headlines_with_odd_characters_are_stored(account: Outside, cycle: Cycle) -> None:
    """Half an emoji, NUL, an item without a time: what can be used is used, the item without a time is not."""
    sync_portfolio(None)
    now = AgentStatus.objects.get().market_time.isoformat()
    told = (("NUL \\u0000 beats", f'"{now}"'), ("Rockets \\ud83d", f'"{now}"'), ("No time", "null"))
    items = ",".join(
        f'{{"id": {number}, "headline": "{title}", "source": "wire\\u0000", "symbols": [], "created_at": {at}}}'
        for number, (title, at) in enumerate(told)
    )
    body = f'{{"news": [{items}], "next_page_token": null}}'
    account.venue.fault(kind="error", route="GET /v1beta1/news", status=200, body=body)
    account.venue.fault(kind="error", route="*finnhub*news*", status=503, body="away\x00")

    assert fetch_headlines(cycle.pk, cycle.symbols) == 2

    assert errors(cycle) == [("fetch_news finnhub", "UnavailableError")]
    assert {row["title"] for row in cycle.headlines} == {"NUL \ufffd beats", "Rockets \ufffd"}
    assert {row["source"] for row in cycle.headlines} == {"wire\ufffd"}
    assert cycle.errors[0]["message"].endswith("HTTP 503: away\ufffd")


def test_error_whose_words_hold_nul_is_stored_and_the_next_source_asked(
    account: Outside, cycle: Cycle
) -> None:
    sync_portfolio(None)
    account.venue.fault(kind="error", route=STOCK_PRICES, status=503, body="upstream\x00 reset")

    fetching.fetch_stocks(cycle.pk, list(STOCKS), batch_count=1)

    assert {row.source for row in stored(cycle).values()} == {"finnhub"}
    assert {error["message"] for error in errors_of(cycle)} == {
        "alpaca quotes: HTTP 503: upstream\ufffd reset"
    }


def test_headlines_come_from_both_sources_each_story_once(account: Outside, cycle: Cycle) -> None:
    sync_portfolio(None)

    fetch_headlines(cycle.pk, cycle.symbols)

    cycle.refresh_from_db()
    paths = {r["path"].rsplit("/", 1)[-1] for r in account.requests() if "news" in r["path"]}
    titles = [row["title"] for row in cycle.headlines]
    assert paths == {"news", "company-news"}
    assert len(titles) == len(set(titles))


def test_headlines_by_keyword_say_which(account: Outside, cycle: Cycle) -> None:
    account.venue.clock(to=A_DAY_OF_NEWS)
    sync_portfolio(None)
    fetch_headlines(cycle.pk, cycle.symbols)
    cycle.refresh_from_db()
    word = max(cycle.headlines[0]["title"].split(), key=len)

    fetch_headlines(cycle.pk, [], keywords=[word])

    cycle.refresh_from_db()
    assert cycle.headlines
    assert all(row["keywords"] == [word] for row in cycle.headlines)


def test_account_is_synced_with_a_step(account: Outside, cycle: Cycle) -> None:
    fetching.fetch_account(cycle.pk)

    money = EquitySnapshot.objects.get()
    assert money.cycle_id == cycle.pk
    facts = step(cycle, "account")
    assert (facts["positions"], facts["market_open"]) == (0, True)


def test_account_that_cannot_be_read_is_recorded(account: Outside, cycle: Cycle) -> None:
    account.venue.fault(kind="error", route="GET /v2/account")

    fetching.fetch_account(cycle.pk)

    assert errors(cycle) == [("sync_account", "UnavailableError")]
    assert not EquitySnapshot.objects.exists()


def test_another_account_ends_the_cycle_before_anything_is_decided(account: Outside, cycle: Cycle) -> None:
    make_agent(account_id="another", world="Alpaca paper account")

    fetching.fetch_account(cycle.pk)

    assert errors(cycle) == [("sync_account", "WorldMismatchError")]
    assert cycle.status == "failed"
    assert "belongs to account another" in cycle.reason
    assert not AgentStatus.objects.get().is_running


def asked_one_by_one(account: Outside) -> list[str]:
    """Return the symbols that were asked about one by one, in the order of the requests."""
    sent = [r for r in account.requests() if r["path"].endswith("/company-news")]
    return [str(r["query"]["symbol"]) for r in sent]


def test_headlines_that_are_asked_for_one_by_one_take_turns_by_analyses(account: Outside) -> None:
    """Whenever the cycles run, and whatever runs between them, each symbol's turn comes."""
    symbols = [each.symbol for each in current_providers().broker.assets() if "/" not in each.symbol][:20]
    turns = []
    for _ in range(2):
        cycle = start_cycle(trigger="test", symbols=symbols)
        before = len(asked_one_by_one(account))
        fetch_headlines(cycle.pk, cycle.symbols)
        turns.append(set(asked_one_by_one(account)[before:]))
        complete_cycle(cycle)
        complete_cycle(start_cycle(trigger="test", cycle_type=Cycle.Type.MAINTENANCE))

    assert [len(turn) for turn in turns] == [10, 10]
    assert turns[0] | turns[1] == set(symbols)
    assert list(Cycle.objects.order_by("number").values_list("ordinal", flat=True)) == [1, 0, 2, 0]
