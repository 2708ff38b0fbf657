"""CoinGecko's prices in our types."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.base import Quote
from connectors.coingecko.client import CoinGeckoData, quote_from_wire
from connectors.coingecko.coins import COIN_IDS
from connectors.errors import RejectedError, UnavailableError
from tests.connectors import samples
from tests.connectors.server import Answer, ProviderServer

COINS = ["AAVE", "ADA", "AVAX", "BAT", "BCH", "BGB", "BNB", "BTC", "CRV", "DOGE", "DOT", "ETC", "ETH", "GRT"]
COINS += ["HBAR", "LEO", "LINK", "LTC", "MKR", "NEAR", "OM", "PEPE", "SHIB", "SOL", "SUSHI", "TRX", "UNI"]
COINS += ["USDC", "USDT", "XLM", "XMR", "XRP", "XTZ", "YFI"]


@pytest.fixture(params=["", "/"])
def coingecko(server: ProviderServer, request: pytest.FixtureRequest) -> CoinGeckoData:
    return CoinGeckoData("CG-demokey123", f"{server.url}/api/v3{request.param}")


def test_quotes_of_all_coins_come_in_one_request(server: ProviderServer, coingecko: CoinGeckoData) -> None:
    server.on("GET", "/api/v3/simple/price", Answer(samples.COINGECKO_PRICES))

    quotes = coingecko.quotes(["BTC/USD", "ETH/USD", "SOL/USD", "NOPE/USD", "AAPL"])

    assert list(quotes) == ["BTC/USD", "ETH/USD"]
    assert quotes["BTC/USD"] == Quote(
        symbol="BTC/USD",
        price=Decimal("11512.123456789"),
        quoted_at=datetime(2020, 10, 15, 14, tzinfo=UTC),
        source="coingecko",
    )
    assert len(server.seen) == 1
    assert server.seen[0].query == {
        "ids": "bitcoin,ethereum,solana",
        "vs_currencies": "usd",
        "include_last_updated_at": "true",
        "precision": "full",
        "x_cg_demo_api_key": "CG-demokey123",
    }


def test_no_coin_no_request(server: ProviderServer, coingecko: CoinGeckoData) -> None:
    assert coingecko.quotes(["AAPL"]) == {}
    assert server.seen == []


def test_without_a_key_none_is_sent(server: ProviderServer) -> None:
    server.on("GET", "/api/v3/simple/price", Answer(samples.COINGECKO_PRICES))

    CoinGeckoData("", f"{server.url}/api/v3").quotes(["BTC/USD"])

    assert not [name for name in server.seen[0].query if "key" in name]


@pytest.mark.parametrize("coin", COINS)
def test_coins_in_common_use_have_an_id(coin: str) -> None:
    assert COIN_IDS[f"{coin}/USD"]


def test_no_two_coins_share_an_id() -> None:
    assert len(set(COIN_IDS.values())) == len(COIN_IDS)


@pytest.mark.parametrize(
    "raw", [None, {}, {"usd": 0, "last_updated_at": 1}, {"usd": 1}, {"usd": 1, "last_updated_at": None}]
)
def test_without_price_or_time_there_is_no_quote(raw: Any) -> None:
    """docs/lessons.md#lesson-7, #lesson-18."""
    assert quote_from_wire("BTC/USD", raw) is None


def test_the_limit_of_requests_keeps_its_retry_after(
    server: ProviderServer, coingecko: CoinGeckoData
) -> None:
    """The SDK turns this answer into a bare ValueError and would obey the 60 s five times over."""
    body = {"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}}
    server.on("GET", "/api/v3/simple/price", Answer(body, 429, {"Retry-After": "60"}))

    with pytest.raises(UnavailableError, match="You've exceeded the Rate Limit") as caught:
        coingecko.quotes(["BTC/USD"])

    assert caught.value.retry_after_seconds == 60
    assert len(server.seen) == 1


def test_a_refused_key_is_final(server: ProviderServer, coingecko: CoinGeckoData) -> None:
    body = {"status": {"error_code": 10002, "error_message": "API Key Missing"}}
    server.on("GET", "/api/v3/simple/price", Answer(body, 401))

    with pytest.raises(RejectedError, match="API Key Missing") as caught:
        coingecko.quotes(["BTC/USD"])

    assert caught.value.code == 10002
