"""No key reaches a log: in the SDKs' own words, and in ours."""

import logging
import traceback
from collections.abc import Callable
from typing import Any

import finnhub
import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from pycoingecko import CoinGeckoAPI

from connectors.alpaca.broker import AlpacaBroker
from connectors.alpaca.market_data import AlpacaStockData
from connectors.coingecko.client import CoinGeckoData
from connectors.errors import ConnectorError
from connectors.finnhub.client import FinnhubData
from connectors.redaction import REDACTED, redact, register_secret
from tests.connectors.server import Answer, ProviderServer, StreamScript, reset

# Not registered anywhere: what the patterns alone must catch.
FINNHUB_KEY = "c0ffee0b3n9finnhub00"
COINGECKO_KEY = "CG-9xQ1aB2cD3eF4gH5"
ALPACA_KEYS = ("PKQ9ZX8W7V6U5T4S3R2Q", "bT0pS3cr3tAlpacaKeyOfFortyCharacters0000")


def _finnhub(url: str) -> None:
    client = finnhub.Client(FINNHUB_KEY)
    client.API_URL = f"{url}/api/v1"
    client.quote("AAPL")


def _coingecko_demo(url: str) -> None:
    client = CoinGeckoAPI(demo_api_key=COINGECKO_KEY, retries=0)
    client.api_base_url = f"{url}/api/v3/"
    client.get_price("bitcoin", "usd")


def _coingecko_pro(url: str) -> None:
    client = CoinGeckoAPI(api_key=COINGECKO_KEY, retries=0)
    client.api_base_url = f"{url}/api/v3/"
    client.get_price("bitcoin", "usd")


def _alpaca(url: str) -> None:
    client = TradingClient(*ALPACA_KEYS, url_override=url)
    client._retry = 0
    client.get_account()


def _gone(server: ProviderServer) -> str:
    with ProviderServer() as gone:
        pass
    return gone.url


def _resetting(server: ProviderServer) -> str:
    server.on_any(reset)
    return server.url


def _failing(server: ProviderServer) -> str:
    server.on_any(Answer(b"oops", 500))
    return server.url


@pytest.mark.parametrize("where", [_gone, _resetting, _failing])
@pytest.mark.parametrize("call", [_finnhub, _coingecko_demo, _coingecko_pro, _alpaca])
def test_the_sdks_own_exceptions_are_redacted(
    server: ProviderServer, call: Callable[[str], None], where: Callable[[ProviderServer], str]
) -> None:
    with pytest.raises((requests.RequestException, APIError, finnhub.FinnhubAPIException)) as caught:
        call(where(server))

    shown = redact("".join(traceback.format_exception(caught.value)))
    for key in (FINNHUB_KEY, COINGECKO_KEY, *ALPACA_KEYS):
        assert key not in shown


def test_an_sdk_does_show_its_key_unredacted() -> None:
    """What the test above is good for."""
    with ProviderServer() as gone:
        pass
    with pytest.raises(requests.ConnectionError, match=FINNHUB_KEY):
        _finnhub(gone.url)


# Registered by the adapters below.
OWN_FINNHUB_KEY = "c0ffee0b3n9finnhub11"
OWN_COINGECKO_KEY = "CG-0wN1aB2cD3eF4gH5"
OWN_ALPACA_KEYS = ("PKOWN8W7V6U5T4S3R2Q1", "0wns3cr3tAlpacaKeyOfFortyCharacters00000")

ADAPTERS: list[Callable[[str], Any]] = [
    lambda url: FinnhubData(OWN_FINNHUB_KEY, f"{url}/api/v1").quotes(["AAPL"]),
    lambda url: CoinGeckoData(OWN_COINGECKO_KEY, f"{url}/api/v3").quotes(["BTC/USD"]),
    lambda url: AlpacaBroker(*OWN_ALPACA_KEYS, url).account(),
    lambda url: AlpacaStockData(*OWN_ALPACA_KEYS, url).quotes(["AAPL"]),
]


def _echoing(server: ProviderServer) -> str:
    said = f"bad key {OWN_FINNHUB_KEY} {OWN_COINGECKO_KEY} {OWN_ALPACA_KEYS[0]} {OWN_ALPACA_KEYS[1]}"
    server.on_any(Answer({"message": said}, 403))
    return server.url


def _not_json(server: ProviderServer) -> str:
    server.on_any(
        Answer(f"<a href='?token={OWN_FINNHUB_KEY}&x_cg_demo_api_key={OWN_COINGECKO_KEY}'>".encode())
    )
    return server.url


@pytest.mark.parametrize("where", [_gone, _resetting, _failing, _echoing, _not_json])
@pytest.mark.parametrize("call", ADAPTERS)
def test_our_errors_show_no_key_not_even_in_their_tracebacks(
    server: ProviderServer, call: Callable[[str], Any], where: Callable[[ProviderServer], str]
) -> None:
    address = where(server)
    for construct in ADAPTERS:  # registers all keys: a provider may echo any
        with pytest.raises(ConnectorError):
            construct(address)

    with pytest.raises(ConnectorError) as caught:
        call(address)

    shown = "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    for key in (OWN_FINNHUB_KEY, OWN_COINGECKO_KEY, *OWN_ALPACA_KEYS):
        assert key not in shown


def test_debug_logs_of_the_http_library_show_no_key(
    server: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="urllib3")
    server.on_any(Answer({"c": 1, "t": 1}))

    FinnhubData(OWN_FINNHUB_KEY, f"{server.url}/api/v1").quotes(["AAPL"])

    assert "symbol=AAPL" in caplog.text
    assert OWN_FINNHUB_KEY not in caplog.text


def test_debug_logs_of_the_websocket_library_show_no_key(
    server: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("GET", "/stream", StreamScript(refuse_keys=True))

    with pytest.raises(ConnectorError):
        AlpacaBroker(*OWN_ALPACA_KEYS, server.url).listen(lambda _: None)

    assert OWN_ALPACA_KEYS[1] not in caplog.text


@pytest.mark.parametrize("dummy", ["secret", "password", "Api_Key"])
def test_a_dummy_that_is_the_name_of_keys_hides_none(dummy: str) -> None:
    register_secret(dummy)

    assert redact(f"?{dummy}=SeCrEt123") == f"?{dummy}={REDACTED}"


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/quote?symbol=AAPL&token=SeCrEt123 HTTP/1.1",
        "?apikey=SeCrEt123",
        "?api_key=SeCrEt123&x=1",
        "&x_cg_pro_api_key=SeCrEt123'",
        "&secret=SeCrEt123",
        "?key=SeCrEt123",
        "{'APCA-API-KEY-ID': 'SeCrEt123', 'Accept': '*/*'}",
        "APCA-API-SECRET-KEY: SeCrEt123",
        "Authorization: Bearer SeCrEt123",
        '"Authorization": "Basic SeCrEt123"',
        "authorization=Token SeCrEt123",
        "X-Finnhub-Token: SeCrEt123",
        "x-cg-demo-api-key: SeCrEt123",
        '{"key_id": "SeCrEt123", "other": 1}',
        '{\\"secret_key\\": \\"SeCrEt123\\"}',
        "postgresql://user:SeCrEt123@host/name",
        "password=SeCrEt123",
    ],
)
def test_keys_are_found_by_what_stands_before_them(text: str) -> None:
    redacted = redact(text)

    assert "SeCrEt123" not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize(
    "text",
    [
        "alpaca quotes: HTTP 500: internal server error",
        "https://data.alpaca.markets/v2/stocks/snapshots?symbols=AAPL,MSFT",
        "invalid symbol: KEY",
        "monkey=banana",
        "order not found for decision-1-entry-1",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_a_registered_secret_is_removed_wherever_it_stands() -> None:
    register_secret("p@ss w/ord+1")

    for spelling in ("p@ss w/ord+1", "p%40ss%20w%2Ford%2B1", "p%40ss+w%2Ford%2B1"):
        assert redact(f"it said {spelling}!") == f"it said {REDACTED}!"


def test_a_secret_too_short_to_be_one_is_not_registered() -> None:
    register_secret("ok")
    register_secret("")

    assert redact("all ok") == "all ok"
