"""The doctor's look at the outside world: the venue's faults, and a scripted broker."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone
from pytest_django import Settings

from orchestrator_project.environment import load_environment
from orchestrator_project.runtime.doctor import market
from orchestrator_project.runtime.doctor.finding import ok
from orchestrator_project.runtime.prepare import seed
from tests.connectors import samples
from tests.connectors.server import Answer, ProviderServer
from tests.factories import make_asset
from tests.orchestrator_project.runtime.doctor.test_examination import START, assert_says
from tests.trading.outside import STOCK
from tests.venue_process import VenueProcess
from trading.core import providers
from trading.execution.portfolio import sync_portfolio
from trading.models import AgentStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None, venue: VenueProcess) -> VenueProcess:
    """The venue during a session, and a database that belongs to its account."""
    venue.clock(paused=False)
    if not venue.state_report()["is_open"]:
        venue.clock(to="open")
    seed()
    make_asset(STOCK, dollar_volume=1)
    sync_portfolio(None)
    return venue


@pytest.fixture
def paper(db: None, settings: Settings) -> Iterator[ProviderServer]:
    """A broker at an address given by name, so that no venue is meant."""
    seed()
    with ProviderServer() as server:
        keys = {"ALPACA_API_KEY": "key-012345", "ALPACA_SECRET_KEY": "secret-012345"}
        urls = {"ALPACA_TRADING_URL": server.url, "ALPACA_DATA_URL": server.url}
        urls["COINGECKO_URL"] = f"{server.url}/api/v3"
        settings.ENVIRONMENT = load_environment(keys | urls)
        yield server


def test_providers_that_stand_well_say_what_is_used(world: VenueProcess) -> None:
    market.finnhub()

    found = market.providers()

    assert found.status == "ok"
    assert "finnhub ready, 1 of 60 in the last minute" in found.found
    assert "alpaca trading ready, " in found.found


def test_provider_that_asked_to_wait_is_named(world: VenueProcess) -> None:
    world.fault(kind="rate_limit", retry_after=60, route="*finnhub*")
    market.finnhub()

    assert_says(
        market.providers(), "warning", "finnhub paused, 1 of 60 in the last minute, until", "by itself"
    )


def test_provider_whose_breaker_is_open_is_named_with_the_reason(world: VenueProcess) -> None:
    world.fault(kind="error", status=500, route="*coingecko*")
    for _ in range(6):
        market.coingecko()

    assert_says(market.providers(), "warning", "coingecko open, 5 of 30", "asked again by itself")
    assert "HTTP 500" in market.providers().found


def test_providers_without_redis_count_alone(world: VenueProcess, settings: Settings) -> None:
    providers._build.cache_clear()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert_says(market.providers(), "warning", "each process counts alone", "queue")
    providers._build.cache_clear()


def test_a_healthy_world(world: VenueProcess) -> None:
    assert market.broker().found.startswith("local venue, synthetic prices, account ")
    assert market.account() == ok("this database belongs to it (local venue, synthetic prices)")
    assert market.prices().status == "ok"
    assert market.prices().found.startswith(f"{STOCK} ")
    assert f"headlines on {STOCK} within a day" in market.news().found
    assert market.finnhub().found.startswith(f"{STOCK} ")
    assert market.coingecko().found.startswith("BTC/USD ")
    assert market.clock() == ok("0.0 s apart from the database")
    assert "stocks open, 1 s a second, data to 2022-12-30" in market.market_time().found


def test_a_venue_that_does_not_run(db: None) -> None:
    assert_says(market.broker(), "failed", "the local venue does not run", START)


def test_no_broker(settings: Settings) -> None:
    settings.ENVIRONMENT = load_environment({"FINNHUB_API_KEY": "k-012345"})

    assert_says(
        market.broker(), "failed", "no broker is configured", "set ALPACA_API_KEY and ALPACA_SECRET_KEY"
    )


def test_a_venue_that_fails(world: VenueProcess) -> None:
    world.fault(kind="error", route="GET /v2/account", status=500)

    assert_says(market.broker(), "failed", "alpaca account: HTTP 500", "venue.log")


def test_the_account_of_another_database(world: VenueProcess) -> None:
    AgentStatus.objects.update(account_id="somebody-else")
    assert_says(market.account(), "failed", "belongs to account somebody-else", "begin anew")

    AgentStatus.objects.update(account_id="")
    assert "belongs to no account yet" in market.account().found


def test_prices_that_are_missing_stale_or_refused(world: VenueProcess) -> None:
    world.fault(kind="missing_symbol", symbols=["BTC/USD"])
    assert_says(market.prices(), "failed", "no price of BTC/USD from alpaca", "ALPACA_DATA_URL")
    world.clear_faults()

    world.fault(kind="stale_price", seconds=300, symbols=["BTC/USD"])
    assert "more than price_max_age (90 s)" in market.prices().found
    world.clear_faults()

    closed_at = datetime.fromisoformat(world.clock(paused=True, to="close")["market_time"])
    world.clock(to=(closed_at + timedelta(hours=1)).isoformat())
    assert "(market closed)" in market.prices().found
    world.clock(to="open")

    world.fault(kind="rate_limit", route="GET /v1beta3/*")
    assert_says(market.prices(), "failed", "HTTP 429", "ALPACA_DATA_URL")


def test_second_sources_and_news_only_warn(world: VenueProcess) -> None:
    world.fault(kind="error", status=503)

    # The clock is asked first, so the news' own fault comes after it.
    for look, found in ((market.finnhub, "finnhub quote"), (market.coingecko, "coingecko quotes")):
        assert_says(look(), "warning", found, "prices missing at the broker stay missing")
    world.clear_faults()
    world.fault(kind="error", status=503, route="GET /v1beta1/news")
    assert_says(market.news(), "warning", "alpaca news", "without headlines")


def test_a_held_clock_and_the_end_of_the_data(world: VenueProcess) -> None:
    world.clock(paused=True)
    assert_says(market.market_time(), "warning", "the venue's clock is held", "manage.py up")

    with VenueProcess(is_forked=True) as other:
        other.clock(to="end")
        address = market.venue_file()
        before = address.read_text()
        address.write_text(before.replace(world.url, other.url))
        ended = market.market_time()
        address.write_text(before)

    assert_says(ended, "warning", "the venue's data has ended", "begin anew: set ORCHESTRATOR_HOME")


def test_a_paper_account_in_order(paper: ProviderServer) -> None:
    paper.on("GET", "/v2/account", Answer(samples.account()))
    paper.on("GET", "/v2/clock", Answer(samples.clock()))

    assert market.broker().found.startswith("Alpaca paper account, account ")
    assert "no account yet" in market.account().found
    assert market.market_time().status == "ok"
    assert market.clock().found.endswith("s apart from the broker")
    assert market.clock().status == "ok"
    paper.on("GET", "/api/v3/simple/price", Answer(samples.COINGECKO_PRICES))
    assert market.finnhub().found == "no FINNHUB_API_KEY"
    assert market.coingecko().found.startswith("BTC/USD ")


@pytest.mark.parametrize(
    ("fields", "found", "remedy"),
    [
        ({"status": "ONBOARDING"}, "its status is ONBOARDING", "activated"),
        ({"trading_blocked": True}, "trading is blocked", "ask the broker why"),
    ],
)
def test_an_account_that_may_not_trade(
    paper: ProviderServer, fields: dict[str, object], found: str, remedy: str
) -> None:
    paper.on("GET", "/v2/account", Answer(samples.account(**fields)))

    assert_says(market.broker(), "failed", found, remedy)


@pytest.mark.parametrize(("status", "remedy"), [(401, "ALPACA_SECRET_KEY"), (503, "check the network")])
def test_a_broker_that_refuses_or_fails(paper: ProviderServer, status: int, remedy: str) -> None:
    paper.on_any(Answer({"message": "no"}, status))

    assert_says(market.broker(), "failed", f"HTTP {status}", remedy)


@pytest.mark.parametrize(
    ("seconds", "status"), [(0, "ok"), (-30, "warning"), (30, "warning"), (600, "failed")]
)
def test_a_clock_that_is_off(paper: ProviderServer, seconds: int, status: str) -> None:
    moment = timezone.now() + timedelta(seconds=seconds)
    paper.on_any(Answer({}, 401, {"Date": format_datetime(moment, usegmt=True)}))

    assert market.clock().status == status


def test_a_broker_that_tells_no_time(settings: Settings) -> None:
    settings.ENVIRONMENT = load_environment(
        {"ALPACA_API_KEY": "k", "ALPACA_SECRET_KEY": "s", "ALPACA_TRADING_URL": "http://127.0.0.1:1"}
    )

    assert_says(market.clock(), "warning", "tells no time", "time server")
