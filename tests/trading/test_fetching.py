"""A cycle's fetches: prices with source and time, and faults that are recorded, never raised."""

from typing import Any

import pytest

from tests.factories import make_agent, make_cycle
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from trading.models import AgentStatus, Cycle, EquitySnapshot, Event, MarketSnapshot
from trading.services import fetching
from trading.services.portfolio import sync_portfolio
from trading.services.settings import set_runtime_setting

STOCK_PRICES, COIN_PRICES = "GET /v2/stocks/snapshots", "GET /v1beta3/crypto/us/snapshots"
STOCK_BARS = "GET /v2/stocks/bars"
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


def errors(cycle: Cycle) -> list[tuple[str, str]]:
    cycle.refresh_from_db()
    return [(error["operation"], error["type"]) for error in cycle.errors]


def test_stocks_are_split_into_batches_of_fifty() -> None:
    symbols = [f"S{number}" for number in range(120)] + ["BTC/USD"]

    batches = list(fetching.stock_batches(symbols))

    assert [len(batch) for batch in batches] == [50, 50, 20]
    assert "BTC/USD" not in batches[2]
    assert list(fetching.stock_batches(["BTC/USD"])) == []


def test_prices_carry_their_source_and_time_and_indicators(account: Outside, cycle: Cycle) -> None:
    """Lesson 24."""
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
    """Lesson 18: 0 is no price, wherever it comes from."""
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
    """Lesson 13: enrichment never fails in silence."""
    account.venue.fault(**fault, route=STOCK_PRICES)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2

    assert {s.source for s in stored(cycle).values()} == {"finnhub"}
    assert [operation for operation, _ in errors(cycle)] == ["quotes alpaca"]
    assert Event.objects.filter(aggregate_id=str(cycle.pk), type="cycle.error").count() == 1


def test_source_that_hangs_costs_its_time_and_no_more(account: Outside, cycle: Cycle) -> None:
    """Lesson 20: every call outside has a limit."""
    account.venue.fault(kind="hang", route=STOCK_PRICES)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 0

    assert errors(cycle) == [("quotes alpaca", "UnavailableError")]
    assert step(cycle, "stocks")["seconds"] < 8


def test_no_source_at_all_stores_nothing_and_says_what_is_missing(account: Outside, cycle: Cycle) -> None:
    """Lessons 7, 18: nothing old and no 0 in place of a price."""
    account.venue.fault(kind="error", route=STOCK_PRICES)
    account.venue.fault(kind="error", route="*finnhub*")

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 0

    assert stored(cycle) == {}
    assert step(cycle, "stocks")["missing"] == list(STOCKS)
    assert [operation for operation, _ in errors(cycle)] == ["quotes alpaca", "quotes finnhub"]


def test_slow_source_is_asked_for_its_share_only(account: Outside, cycle: Cycle) -> None:
    account.venue.fault(kind="missing_symbol", route=STOCK_PRICES)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=30) == 1


def test_missing_history_leaves_a_price_without_indicators(account: Outside, cycle: Cycle) -> None:
    """Lesson 13."""
    account.venue.fault(kind="error", route=STOCK_BARS)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 2

    assert [s.indicators for s in stored(cycle).values()] == [None, None]
    assert errors(cycle) == [("daily_bars", "UnavailableError")]


def test_time_used_up_by_prices_leaves_none_for_history(
    account: Outside, cycle: Cycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_since", lambda _: 99.0)

    assert fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1) == 0

    assert [r["path"] for r in account.requests()] == []


def test_second_delivery_keeps_the_first_snapshot(account: Outside, cycle: Cycle) -> None:
    fetching.fetch_coins(cycle.pk, [COIN])
    first = stored(cycle)[COIN].pk

    fetching.fetch_coins(cycle.pk, [COIN])

    assert [s.pk for s in MarketSnapshot.objects.all()] == [first]


def test_headlines_are_stored_with_source_and_time(account: Outside, cycle: Cycle) -> None:
    sync_portfolio(None)

    count = fetching.fetch_news(cycle.pk, cycle.symbols)

    cycle.refresh_from_db()
    assert len(cycle.headlines) == count == step(cycle, "news")["count"]
    for headline in cycle.headlines:
        assert set(headline) == {"source", "symbols", "title", "published_at"}
        assert headline["published_at"][:10] <= account.venue.clock()["market_time"][:10]


def test_news_that_fail_are_recorded(account: Outside, cycle: Cycle) -> None:
    """Lesson 13."""
    account.venue.fault(kind="error", route="*news*")

    assert fetching.fetch_news(cycle.pk, cycle.symbols) == 0

    assert errors(cycle) == [("fetch_news alpaca", "UnavailableError")]


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
