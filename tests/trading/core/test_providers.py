"""The outside world as configured: the venue whole, or real addresses whole, never a mixture."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from connectors.errors import ConfigurationError
from tests.trading.outside import Outside
from trading.core import providers
from trading.core.providers import current_providers, venue_file
from trading.core.settings import set_runtime_setting
from trading.errors import NotConfiguredError

pytestmark = pytest.mark.django_db
KEYS = {"alpaca_api_key": "key-of-a-test", "alpaca_secret_key": "secret-of-a-test"}


def configure(settings: Settings, **values: Any) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=values)


def test_running_venue_is_the_whole_world(outside: Outside) -> None:
    found = current_providers()

    assert (found.world, found.simulated) == (providers.SYNTHETIC, True)
    assert [source.name for source in found.stock_quotes] == ["alpaca", "finnhub"]
    assert [source.name for source in found.coin_quotes] == ["alpaca", "coingecko"]
    assert found.broker.clock().is_open


def test_replayed_prices_are_called_real(outside: Outside) -> None:
    venue_file().write_text(f'{{"url": "{outside.venue.url}", "world": "replay:us-2020"}}')

    assert current_providers().world == providers.REPLAY


def test_address_that_was_written_long_ago_is_read_anew_once_it_changes(outside: Outside) -> None:
    address = venue_file()
    said = f'{{"url": "{outside.venue.url}", "world": "synthetic!"}}'
    address.write_text(said)
    os.utime(address, (1_600_000_000, 1_600_000_000))
    before = [current_providers().world, current_providers().world]

    address.with_suffix(".new").write_text(said.replace("synthetic!", "replay:abc"))
    os.utime(address.with_suffix(".new"), (1_600_000_000, 1_600_000_000))
    address.with_suffix(".new").replace(address)

    assert before == [providers.SYNTHETIC, providers.SYNTHETIC]
    assert current_providers().world == providers.REPLAY


def test_address_that_is_gone_is_not_remembered(outside: Outside) -> None:
    os.utime(venue_file(), (1_600_000_000, 1_600_000_000))
    assert current_providers().simulated
    venue_file().rename(kept := venue_file().with_suffix(".kept"))
    try:
        with pytest.raises(NotConfiguredError):
            current_providers()
    finally:
        kept.rename(venue_file())


def test_adapters_are_built_once(outside: Outside) -> None:
    assert current_providers() is current_providers()


@pytest.mark.parametrize("content", [None, "", "{", "not json"])
def test_venue_without_a_readable_address_does_not_run(content: str | None) -> None:
    """docs/lessons.md#lesson-14: said with what to do."""
    if content is not None:
        venue_file().write_text(content)
    try:
        with pytest.raises(NotConfiguredError, match=r"start `manage\.py up`"):
            current_providers()
    finally:
        venue_file().unlink(missing_ok=True)


def test_any_real_key_switches_the_venue_off(outside: Outside, settings: Settings) -> None:
    configure(settings, **KEYS)

    found = current_providers()

    assert (found.world, found.simulated) == (providers.PAPER, False)
    assert [source.name for source in found.stock_quotes] == ["alpaca"]
    assert [source.name for source in found.coin_quotes] == ["alpaca", "coingecko"]


def test_coingecko_is_asked_without_a_key_and_seldom(settings: Settings) -> None:
    configure(settings, **KEYS)
    without = {throttle.provider: throttle for throttle in current_providers().throttles}
    configure(settings, **KEYS, coingecko_api_key="gecko-of-a-test")
    with_key = {throttle.provider: throttle for throttle in current_providers().throttles}

    assert without["coingecko"].limits.requests == 5
    assert with_key["coingecko"].limits.requests == 30


def test_second_source_of_stocks_needs_its_own_key(settings: Settings) -> None:
    configure(settings, **KEYS, finnhub_api_key="finnhub-of-a-test")

    found = current_providers()

    assert [source.name for source in found.stock_quotes] == ["alpaca", "finnhub"]
    assert [source.name for source in found.coin_quotes] == ["alpaca", "coingecko"]


def test_real_key_without_its_secret_is_no_broker(settings: Settings) -> None:
    configure(settings, alpaca_api_key="key-of-a-test")

    with pytest.raises(NotConfiguredError, match="ALPACA_SECRET_KEY"):
        current_providers()


def test_live_address_is_refused(settings: Settings) -> None:
    """Invariant 5: paper only, here once more."""
    configure(settings, **KEYS, alpaca_trading_url="https://api.alpaca.markets")

    with pytest.raises(ConfigurationError):
        current_providers()


def test_address_file_lies_in_the_home_folder(settings: Settings) -> None:
    assert venue_file() == Path(settings.ENVIRONMENT.orchestrator_home) / "venue.json"


def limits() -> dict[str, tuple[int, int]]:
    return {
        door.provider: (door.limits.requests, door.limits.reserve) for door in current_providers().throttles
    }


def test_stated_limits_hold_for_real_addresses(settings: Settings) -> None:
    configure(settings, **KEYS, finnhub_api_key="finnhub-of-a-test", coingecko_api_key="gecko-of-a-test")

    assert limits() == {
        "alpaca trading": (200, 25),
        "alpaca data": (200, 0),
        "finnhub": (60, 0),
        "coingecko": (30, 0),
    }


def test_limit_is_what_the_setting_says_at_once(settings: Settings) -> None:
    configure(settings, **KEYS)
    set_runtime_setting(name="limit_alpaca_trading", value="1000", actor="test")
    set_runtime_setting(name="order_reserve", value="5000", actor="test")

    assert limits()["alpaca trading"] == (1000, 500)


@pytest.mark.parametrize(("told", "expected"), [(0, 0), (120, 120), (900, 200)])
def test_venues_own_limit_counts_where_it_is_lower(outside: Outside, told: int, expected: int) -> None:
    venue_file().write_text(json.dumps({"url": outside.venue.url, "world": "synthetic", "rate_limit": told}))

    assert limits()["alpaca data"] == (expected, 0)
