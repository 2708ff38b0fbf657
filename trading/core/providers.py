"""The outside world as configured: real addresses, or the local venue; never a mixture."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from django.conf import settings

from connectors.base import BarSource, Broker, NewsSource, QuoteSource
from connectors.throttle.shared import Limits, SharedThrottle
from trading.core import settings as runtime_settings
from trading.core.redis_client import redis_client
from trading.errors import NotConfiguredError

VENUE_KEY = "venue"
KEYLESS_COINGECKO = 5  # requests a minute; the public address lets 5 to 15 through
SWITCH_RESERVE = 20  # requests: orders and positions read, fifteen positions sold
REPLAY = "local venue, real prices replayed"
SYNTHETIC = "local venue, synthetic prices"
PAPER = "Alpaca paper account"
ALPACA_TRADING = "https://paper-api.alpaca.markets"
ALPACA_DATA = "https://data.alpaca.markets"
FINNHUB = "https://finnhub.io/api/v1"
COINGECKO = "https://api.coingecko.com/api/v3"
TRADING, DATA, FINNHUB_NAME, COINGECKO_NAME = "alpaca trading", "alpaca data", "finnhub", "coingecko"
_SETTLED_NS = 1_000_000_000
_SETTINGS = (
    "order_timeout",
    "order_reserve",
    "breaker_failures",
    "breaker_pause",
    "limit_alpaca_trading",
    "limit_alpaca_data",
    "limit_finnhub",
    "limit_coingecko",
)


@dataclass(frozen=True, slots=True)
class Providers:
    """Sources in the order they are asked; ``world`` says in words whose prices these are.

    ``switch_broker`` is the same account for what the kill switch asks, cancels and sells: no limit of ours holds
    that back. ``throttles`` are what all requests go through, one per provider and key.
    """

    world: str
    simulated: bool
    broker: Broker
    switch_broker: Broker
    stock_quotes: tuple[QuoteSource, ...]
    coin_quotes: tuple[QuoteSource, ...]
    stock_bars: BarSource
    coin_bars: BarSource
    news: tuple[NewsSource, ...]
    throttles: tuple[SharedThrottle, ...]


@dataclass(frozen=True, slots=True)
class _Addresses:
    world: str
    simulated: bool
    alpaca_key: str
    alpaca_secret: str
    trading_url: str
    data_url: str
    finnhub: tuple[str, str] | None
    coingecko: tuple[str, str]  # the key may be empty: the public address asks for none
    alpaca_limit: int | None = None  # the venue's own; 0: none


_told: tuple[tuple[Path, int, int, int], _Addresses] | None = None


def current_providers() -> Providers:
    """Return the configured providers.

    Raises:
        NotConfiguredError: neither a broker's keys are set nor does the venue run.
    """
    addresses = _venue_addresses() if settings.ENVIRONMENT.venue_enabled else _real_addresses()
    values = runtime_settings.several(*_SETTINGS)
    return _build(addresses, tuple(values[name] for name in _SETTINGS))


def venue_file() -> Path:
    """Return where the venue says its address."""
    return Path(settings.ENVIRONMENT.orchestrator_home) / "venue.json"


def _venue_addresses() -> _Addresses:
    """Read what the venue says; a file that is as it was is not read again, for each order asks twice."""
    global _told  # replaced whole, so that threads need no lock
    path = venue_file()
    try:
        state = os.stat(path)
        mark = (path, state.st_ino, state.st_size, state.st_mtime_ns)
        if _told is not None and _told[0] == mark:
            return _told[1]
        said = json.loads(path.read_text())
    except (OSError, ValueError):
        raise NotConfiguredError(
            "the local venue does not run: start `manage.py up` (or `manage.py venue`), or set ALPACA_API_KEY"
            " and ALPACA_SECRET_KEY of a paper account"
        ) from None
    found = _addresses_of(said)
    # What was written a moment ago may be written once more without its time being another.
    if time.time_ns() - state.st_mtime_ns > _SETTLED_NS:
        _told = (mark, found)
    return found


def _addresses_of(said: Mapping[str, Any]) -> _Addresses:
    url = said["url"]
    return _Addresses(
        world=REPLAY if said["world"].startswith("replay") else SYNTHETIC,
        simulated=True,
        alpaca_key=VENUE_KEY,
        alpaca_secret=VENUE_KEY,
        trading_url=url,
        data_url=url,
        finnhub=(VENUE_KEY, f"{url}/finnhub/api/v1"),
        coingecko=(VENUE_KEY, f"{url}/coingecko/api/v3"),
        alpaca_limit=said.get("rate_limit", 0),
    )


def _real_addresses() -> _Addresses:
    environment = settings.ENVIRONMENT
    if not environment.alpaca_api_key or not environment.alpaca_secret_key:
        raise NotConfiguredError(
            "no broker: set ALPACA_API_KEY and ALPACA_SECRET_KEY of a paper account, or unset every ALPACA_,"
            " FINNHUB_ and COINGECKO_ name to use the local venue"
        )
    finnhub = environment.finnhub_api_key
    return _Addresses(
        world=PAPER,
        simulated=False,
        alpaca_key=environment.alpaca_api_key,
        alpaca_secret=environment.alpaca_secret_key,
        trading_url=environment.alpaca_trading_url or ALPACA_TRADING,
        data_url=environment.alpaca_data_url or ALPACA_DATA,
        finnhub=(finnhub, environment.finnhub_url or FINNHUB) if finnhub else None,
        coingecko=(environment.coingecko_api_key or "", environment.coingecko_url or COINGECKO),
    )


@lru_cache(maxsize=2)
def _build(addresses: _Addresses, values: tuple[Decimal, ...]) -> Providers:
    """Build the adapters once per process; the SDKs are imported here because they are heavy."""
    from connectors.alpaca.broker import AlpacaBroker
    from connectors.alpaca.market_data import AlpacaCryptoData, AlpacaNews, AlpacaStockData
    from connectors.coingecko.client import CoinGeckoData
    from connectors.finnhub.client import FinnhubData

    chosen = dict(zip(_SETTINGS, values, strict=True))
    keys = (addresses.alpaca_key, addresses.alpaca_secret)
    throttles = _throttles(addresses, chosen)
    data = throttles[DATA]
    stocks = AlpacaStockData(*keys, addresses.data_url, throttle=data)
    coins = AlpacaCryptoData(*keys, addresses.data_url, throttle=data)
    alpaca_news = AlpacaNews(*keys, addresses.data_url, throttle=data)
    finnhub = FinnhubData(*addresses.finnhub, throttle=throttles[FINNHUB_NAME]) if addresses.finnhub else None
    coingecko = CoinGeckoData(*addresses.coingecko, throttle=throttles[COINGECKO_NAME])
    account = partial(
        AlpacaBroker,
        *keys,
        addresses.trading_url,
        total_timeout_seconds=float(chosen["order_timeout"]),
        throttle=throttles[TRADING],
    )
    return Providers(
        world=addresses.world,
        simulated=addresses.simulated,
        broker=account(),
        switch_broker=account(is_switchs=True),
        stock_quotes=(stocks, finnhub) if finnhub else (stocks,),
        coin_quotes=(coins, coingecko),
        stock_bars=stocks,
        coin_bars=coins,
        news=(alpaca_news, finnhub) if finnhub else (alpaca_news,),
        throttles=tuple(throttles.values()),
    )


def _throttles(addresses: _Addresses, chosen: dict[str, Decimal]) -> dict[str, SharedThrottle]:
    """Return one throttle per provider and key; the local venue's own limit counts where it is lower."""
    client = redis_client()

    def limit(name: str, own: int | None = None) -> int:
        stated = int(chosen[name])
        return stated if own is None else min(stated, own)

    def build(provider: str, identity: str, requests: int, reserve: int = 0) -> SharedThrottle:
        limits = Limits(
            requests=requests,
            reserve=min(reserve, requests // 2),
            for_switch=min(SWITCH_RESERVE, requests // 10) if reserve else 0,
            breaker_failures=int(chosen["breaker_failures"]),
            breaker_seconds=float(chosen["breaker_pause"]),
        )
        return SharedThrottle(client, provider, identity, limits)

    own, key = addresses.alpaca_limit, addresses.alpaca_key
    reserve = int(chosen["order_reserve"])
    found = {
        TRADING: build(
            TRADING, f"{key}@{addresses.trading_url}", limit("limit_alpaca_trading", own), reserve
        ),
        DATA: build(DATA, f"{key}@{addresses.data_url}", limit("limit_alpaca_data", own)),
    }
    if addresses.finnhub is not None:
        found[FINNHUB_NAME] = build(FINNHUB_NAME, "@".join(addresses.finnhub), limit("limit_finnhub"))
    keyless = None if addresses.coingecko[0] else KEYLESS_COINGECKO
    found[COINGECKO_NAME] = build(
        COINGECKO_NAME, "@".join(addresses.coingecko), limit("limit_coingecko", keyless)
    )
    return found
