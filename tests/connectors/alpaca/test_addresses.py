"""Orders go to a paper account or to this machine: the address check alone decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.alpaca.addresses import require_data_address, require_paper_address
from connectors.alpaca.broker import AlpacaBroker
from connectors.alpaca.market_data import AlpacaCryptoData, AlpacaNews, AlpacaStockData
from connectors.alpaca.stream import TradeUpdateListener
from connectors.errors import ConfigurationError

ACCEPTED = [
    "https://paper-api.alpaca.markets",
    "http://127.0.0.1:8765",
    "https://127.0.0.1:8765",
    "http://127.255.0.9:1",
    "http://localhost:65535",
    "http://[::1]:8765",
]

REFUSED = [
    "",
    "https://api.alpaca.markets",
    "http://paper-api.alpaca.markets",
    "https://paper-api.alpaca.markets/",
    "https://paper-api.alpaca.markets.",
    "https://paper-api.alpaca.markets:443",
    "https://paper-api.alpaca.markets/v2",
    "https://paper-api.alpaca.markets?x=1",
    "https://paper-api.alpaca.markets#x",
    "https://paper-api.alpaca.markets@evil.example",
    "https://paper-api.alpaca.markets.evil.example",
    "https://evil.example/https://paper-api.alpaca.markets",
    "HTTPS://paper-api.alpaca.markets",
    "https://PAPER-API.alpaca.markets",
    "https://paper-api.alpaca.markets\n",
    " https://paper-api.alpaca.markets",
    "https:\\\\paper-api.alpaca.markets",
    "wss://paper-api.alpaca.markets",
    "http://127.0.0.1",
    "http://127.0.0.1:",
    "http://127.0.0.1:0",
    "http://127.0.0.1:080",
    "http://127.0.0.1:65536",
    "http://127.0.0.1:8765/",
    "http://127.0.0.1:8765/v2",
    "http://127.0.0.1:8765?x",
    "http://127.0.0.1:8765#x",
    "http://127.0.0.1@evil.example",
    "http://127.0.0.1:8765@evil.example",
    "http://user:word@127.0.0.1:8765",
    "http://127.0.0.1:8765\\@evil.example",
    "http://127.0.0.1.evil.example:80",
    "http://127.0.0.1.:8765",
    "http://localhost.:8765",
    "http://LOCALHOST:8765",
    "http://localhost.evil.example:80",
    "http://127.1:8765",
    "http://127.0.0.256:8765",
    "http://127.0.0.01:8765",
    "http://0177.0.0.1:8765",
    "http://2130706433:8765",
    "http://0x7f000001:8765",
    "http://0.0.0.0:8765",
    "http://128.0.0.1:8765",
    "http://10.0.0.1:8765",
    "http://[::ffff:127.0.0.1]:8765",
    "http://[::ffff:7f00:1]:8765",
    "http://[0:0:0:0:0:0:0:1]:8765",
    "http://[::1%25eth0]:8765",
    "http://[::2]:8765",
    "http://::1:8765",
    "http://%31%32%37.0.0.1:8765",
    "http://127.0.0.1%2eevil.example:80",
    "http://\uff11\uff12\uff17.0.0.1:8765",
    "http://127.0.0.1:\uff18\uff17\uff16\uff15",
    "http://127\u30020\u30020\u30021:8765",
    "ftp://127.0.0.1:8765",
    "file:///etc/passwd",
    "127.0.0.1:8765",
    "//127.0.0.1:8765",
]


@pytest.mark.parametrize("url", ACCEPTED)
def test_paper_and_loopback_addresses_are_accepted_unchanged(url: str) -> None:
    assert require_paper_address(url) == url


@pytest.mark.parametrize("url", REFUSED)
def test_everything_else_is_refused_with_the_accepted_forms(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"https://paper-api\.alpaca\.markets or a loopback"):
        require_paper_address(url)


@given(st.text(min_size=1, max_size=12), st.sampled_from(ACCEPTED), st.integers(0, 40))
def test_an_accepted_address_with_anything_inserted_names_no_other_host(
    inserted: str, url: str, at: int
) -> None:
    changed = url[:at] + inserted + url[at:]
    try:
        require_paper_address(changed)
    except ConfigurationError:
        return
    host = changed.partition("://")[2].rpartition(":")[0]
    assert host in ("localhost", "[::1]") or host.startswith("127."), changed


@pytest.mark.parametrize("url", ["https://api.alpaca.markets", "http://127.0.0.1:8765@evil.example"])
def test_the_adapter_that_owns_the_connection_checks_again(url: str) -> None:
    with pytest.raises(ConfigurationError):
        AlpacaBroker("AKTESTKEY123", "secretsecretsecret", url)
    with pytest.raises(ConfigurationError):
        TradeUpdateListener("AKTESTKEY123", "secretsecretsecret", url)


@pytest.mark.parametrize("adapter", [AlpacaStockData, AlpacaCryptoData, AlpacaNews])
def test_data_adapters_speak_to_alpacas_data_address_or_to_loopback(
    adapter: type[AlpacaStockData],
) -> None:
    adapter("AKTESTKEY123", "secretsecretsecret", "https://data.alpaca.markets")
    adapter("AKTESTKEY123", "secretsecretsecret", "http://127.0.0.1:9999")

    with pytest.raises(ConfigurationError, match="ALPACA_DATA_URL"):
        adapter("AKTESTKEY123", "secretsecretsecret", "https://paper-api.alpaca.markets")


def test_the_refusal_shows_no_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_data_address("https://user:hunter22@data.alpaca.markets")

    assert "hunter22" not in str(caught.value)
