"""Fixtures of the ai room."""

from collections.abc import Iterator

import pytest

from tests.ai.chat_server import ChatServer


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server
