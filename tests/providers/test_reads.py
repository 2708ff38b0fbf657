"""How often and when prices, headlines and models are asked, counted by a server that knows their addresses alone."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from connectors.coingecko.client import CoinGeckoData
from tests.factories import make_cycle, make_strategy
from tests.providers.conftest import configured
from tests.providers.stub import COINGECKO_KEY, ProviderStub
from trading.analysis.cycle_analysis import analyse_cycle
from trading.core.settings import set_runtime_setting
from trading.cycle import fetching
from trading.market.headlines import fetch_headlines
from trading.models import AIDecision, Cycle, MarketSnapshot

STOCKS, COINS = ("AAPL", "MSFT"), ("BTC/USD", "ETH/USD")
Fetch = Callable[[Cycle], object]


@pytest.fixture
def cycle(account: ProviderStub) -> Cycle:
    """A cycle whose account was fetched."""
    make_strategy(name="Rules", instructions="Prefer to hold.")
    cycle = make_cycle(status="running", symbols=[*STOCKS, *COINS])
    fetching.fetch_account(cycle.pk)
    return cycle


def stocks_fetched(cycle: Cycle) -> None:
    fetching.fetch_stocks(cycle.pk, STOCKS, batch_count=1)


def coins_fetched(cycle: Cycle) -> None:
    fetching.fetch_coins(cycle.pk, COINS)


def headlines_fetched(cycle: Cycle) -> None:
    fetch_headlines(cycle.pk, STOCKS)


def analysed(cycle: Cycle) -> None:
    stocks_fetched(cycle)
    analyse_cycle(cycle.pk)


READS = {
    "stocks": stocks_fetched,
    "coins": coins_fetched,
    "news": headlines_fetched,
    "stock bars": stocks_fetched,
    "model": analysed,
}


@pytest.mark.parametrize("name", [name for name in READS if name != "coins"])
def test_a_read_is_tried_three_times_a_second_and_two_apart(
    account: ProviderStub, cycle: Cycle, name: str
) -> None:
    account.refuse(name, times=2)

    READS[name](cycle)

    assert [request.status for request in account.asked(name)] == [503, 503, 200]
    first, second = account.gaps(name)
    assert first >= 1
    assert second >= 2


def test_coins_are_tried_three_times_within_the_share_that_the_second_source_leaves(
    account: ProviderStub, cycle: Cycle
) -> None:
    set_runtime_setting(name="retry_base", value="0.5", actor="test")  # the share is 6.6 s of 12
    account.refuse("coins", times=2)

    coins_fetched(cycle)

    assert [request.status for request in account.asked("coins")] == [503, 503, 200]
    first, second = account.gaps("coins")
    assert first >= 0.5
    assert second >= 1


@pytest.mark.parametrize("name", READS)
def test_a_read_is_tried_as_often_as_is_set(account: ProviderStub, cycle: Cycle, name: str) -> None:
    set_runtime_setting(name="read_attempts", value="1", actor="test")
    account.refuse(name)

    READS[name](cycle)

    assert len(account.asked(name)) == 1


@pytest.mark.parametrize("name", READS)
def test_pauses_begin_with_the_base_that_is_set(account: ProviderStub, cycle: Cycle, name: str) -> None:
    set_runtime_setting(name="retry_base", value="2", actor="test")
    account.refuse(name, times=1)

    READS[name](cycle)

    [gap] = account.gaps(name)
    assert gap >= 2


def test_prices_and_decisions_come_of_these_addresses(account: ProviderStub, cycle: Cycle) -> None:
    coins_fetched(cycle)
    analysed(cycle)

    assert set(MarketSnapshot.objects.values_list("symbol", flat=True)) == {*STOCKS, *COINS}
    assert set(AIDecision.objects.values_list("action", flat=True)) == {"hold"}
    assert AIDecision.objects.count() == len(cycle.symbols)


def test_coingecko_is_asked_without_a_key_where_there_is_none(account: ProviderStub, cycle: Cycle) -> None:
    coins_fetched(cycle)

    [request] = account.asked("coingecko")
    assert request.status == 200
    assert not [name for name in request.query if "api_key" in name]
    compared = MarketSnapshot.objects.filter(second_source="coingecko")
    assert set(compared.values_list("symbol", flat=True)) == set(COINS)


def test_every_key_that_is_set_is_sent_where_it_belongs(
    account: ProviderStub, cycle: Cycle, settings: Settings
) -> None:
    configured(account, settings, with_keys=True)
    account.refuse("stocks", status=500)

    coins_fetched(cycle)
    stocks_fetched(cycle)
    headlines_fetched(cycle)

    [coins] = account.asked("coingecko")
    assert (coins.status, coins.query["x_cg_demo_api_key"]) == (200, COINGECKO_KEY)
    assert {request.status for request in account.asked("finnhub quote")} == {200}
    assert {request.query["symbol"] for request in account.asked("finnhub quote")} == set(STOCKS)
    assert {request.status for request in account.asked("finnhub company news")} == {200}


def test_a_pro_key_is_sent_to_the_pro_address(stub: ProviderStub) -> None:
    data = CoinGeckoData(COINGECKO_KEY, f"{stub.url}/pro-api.coingecko.com/api/v3")

    assert set(data.quotes(COINS)) == set(COINS)

    [request] = stub.asked("coingecko")
    assert request.query["x_cg_pro_api_key"] == COINGECKO_KEY


@pytest.mark.system
def test_an_analysis_may_take_longer_than_thirty_seconds_where_that_is_set(
    account: ProviderStub, cycle: Cycle
) -> None:
    set_runtime_setting(name="analysis_timeout", value="45", actor="test")
    account.delay("model", 31)

    analysed(cycle)

    assert [request.status for request in account.asked("model")] == [200]
    assert set(AIDecision.objects.filter(symbol__in=STOCKS).values_list("reason", flat=True)) == {"hold"}
