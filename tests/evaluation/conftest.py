"""What evaluations are tested on: the trading account, and models behind a chat server."""

import importlib
from collections.abc import Iterator

import pytest

from ai import gateway
from tests.ai.chat_server import ChatServer
from tests.trading.conftest import account, outside

__all__ = ["account", "outside"]


@pytest.fixture(scope="session")
def libraries() -> None:
    """Load what a first call would load, within its time: half a minute on a busy machine."""
    gateway.load()
    importlib.import_module("talib")


@pytest.fixture
def chat_server(libraries: None) -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server
