"""Clients that send half of a request and wait, or more than anybody wants."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

HALF_BODY = b"POST /api/kill-switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{"
HALF_HEADER = b"GET /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
NOTHING = b""


def connect(url: str, start: bytes = NOTHING) -> socket.socket:
    """Return a connection on which the start of a request was sent."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)
    if start:
        connection.sendall(start)
    return connection


@contextlib.contextmanager
def half_sent(url: str, start: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Hold that many connections with the start of a request while the block runs."""
    with contextlib.ExitStack() as held:
        yield [held.enter_context(connect(url, start)) for _ in range(count)]


def said(connection: socket.socket) -> bytes:
    """Return all that is answered until the server closes."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def is_open(connection: socket.socket) -> bool:
    """Return whether the server has neither answered nor closed."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(30)
    return False


def temporary_files(pid: int) -> list[str]:
    """Return the deleted files that a process still has open: what was spooled."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target.startswith("/") and target.endswith("(deleted)"):
                found.append(target)
    return found
