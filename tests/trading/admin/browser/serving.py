"""The server of the browser tests: at one address for all tests of a folder, at rest when a test is over."""

import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.http import HttpRequest, HttpResponseBase
from pytest_django.live_server_helper import LiveServer

HOST = "localhost"
BACKLOG = 64


def listening() -> socket.socket:
    """Return a socket that listens at a free port."""
    return socket.create_server((HOST, 0), backlog=BACKLOG)


class Server(ThreadedWSGIServer):
    """Django's, at a socket that listens already and goes on after it; it ends once every request is answered."""

    daemon_threads = False  # socketserver waits for these threads when it closes

    def __init__(self, *words: Any, listener: socket.socket, **more: Any) -> None:
        self._listener = listener
        self._connections: list[socket.socket] = []
        super().__init__(*words, **more)

    def server_bind(self) -> None:
        """Take the socket as it is."""
        self.socket.close()
        self.socket = self._listener.dup()
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection: a browser keeps it for its next request."""
        self._connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        """Read nothing more than what has come, answer that, and wait for the last of it."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # over already
                connection.shutdown(socket.SHUT_RD)
        super().server_close()


class Files(StaticFilesHandler):
    """The static files, which no test changes: a browser need not ask again."""

    def serve(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the file."""
        answer = super().serve(request)
        answer["Cache-Control"] = "max-age=86400"
        return answer


@contextlib.contextmanager
def served(listener: socket.socket) -> Iterator[LiveServer]:
    """Serve while the block runs, and after it until the last request is answered.

    A page that is closed leaves its requests behind, and the server would go on answering them while the
    tables are emptied for the next test: PostgreSQL ends such a meeting as a deadlock.
    """
    server = LiveServer(HOST, start=False)
    server.thread.server_class = partial(Server, listener=listener)
    server.thread.static_handler = Files
    server.start()
    try:
        yield server
    finally:
        server.stop()
