"""Models behind a chat server."""

from tests.evaluation.conftest import chat_server, libraries

__all__ = ["chat_server", "libraries"]
