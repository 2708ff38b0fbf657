from collections.abc import Iterator

import pytest

from connectors.alpaca.broker import AlpacaBroker
from tests.connectors.server import ProviderServer


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as running:
        yield running


@pytest.fixture
def broker(server: ProviderServer) -> AlpacaBroker:
    return make_broker(server)


def make_broker(server: ProviderServer, total_timeout_seconds: float = 60) -> AlpacaBroker:
    return AlpacaBroker(
        "AKTESTKEY123", "secretsecretsecret", server.url, total_timeout_seconds=total_timeout_seconds
    )
