"""Fixtures of the ai room."""

import importlib
from collections.abc import Iterator

import pytest

from ai import gateway
from tests.ai.chat_server import ChatServer


@pytest.fixture(scope="session", autouse=True)
def libraries_loaded() -> None:
    """Load what the first call would load, within a deadline that a test has set: half a minute on a busy machine."""
    gateway.load()
    importlib.import_module("talib")


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server
