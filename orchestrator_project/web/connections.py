"""The web server's connections, bounded in number, in time and in what each may send before it is served.

uvicorn waits without end for the rest of a header, and keeps a connection whose client never reads. Here what is half
sent has a deadline, and beyond a number of such connections the one that has waited longest is closed for the newest:
thousands of them take neither the descriptors nor the memory, and a request that is sent whole is served.
``--http orchestrator_project.web.connections:BoundedProtocol`` puts this into uvicorn.
"""

import asyncio
import resource
from weakref import WeakKeyDictionary

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

log = structlog.get_logger(__name__)
HEADER_SECONDS = 10.0  # from the first byte, or from the connection on
BODY_SECONDS = 15.0  # after that; bodies.py has a shorter deadline and tells its reason
UNREAD_SECONDS = 30.0  # an answer that nobody reads
CLOSING_SECONDS = 10.0
LOOK_SECONDS = 1.0
LARGEST_HEADER = 65_536
LARGEST_MESSAGE = (
    2_500_000  # on the wire: a body of 1 MB in small chunks; trailers and chunk extensions count
)
DESCRIPTORS_WANTED = 4096
DESCRIPTORS_KEPT = 150  # for the database, Redis, logs and files
MOST_CONNECTIONS = 3000
OF_THEM_HALF_SENT = 5 / 6


def connection_limit() -> int:
    """Return how many connections there may be; raises the process's own limit of open files where it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return min(MOST_CONNECTIONS, max(soft - DESCRIPTORS_KEPT, 32)) if soft >= 0 else MOST_CONNECTIONS


class Door:
    """All connections of one server: who may come in, and who has to leave."""

    def __init__(self, connections: "set[BoundedProtocol]", loop: asyncio.AbstractEventLoop) -> None:
        self.half_sent: dict[BoundedProtocol, None] = {}  # the longest waiting first
        self._connections = connections
        self._loop = loop
        self._most = connection_limit()
        self._most_half_sent = int(self._most * OF_THEM_HALF_SENT)
        self._closed_since_look = 0
        loop.call_later(LOOK_SECONDS, self._look)

    def came(self, newest: "BoundedProtocol") -> None:
        """Make room for a connection."""
        while len(self.half_sent) > self._most_half_sent:
            self._close(next(iter(self.half_sent)))
        if len(self._connections) > self._most:
            waiting = (each for each in self.half_sent if each is not newest)
            idle = (each for each in self._connections if each.is_idle and each is not newest)
            self._close(next(waiting, None) or next(idle, newest))

    def _close(self, connection: "BoundedProtocol") -> None:
        self._closed_since_look += 1
        self.half_sent.pop(connection, None)
        self._connections.discard(connection)
        connection.transport.abort()

    def _look(self) -> None:
        """Hold all deadlines; a timer for each connection would cost more than this."""
        now = self._loop.time()
        for connection in list(self._connections):
            connection.look(now)
        if self._closed_since_look:
            log.warning("connections_closed", reason="too_many", count=self._closed_since_look)
            self._closed_since_look = 0
        self._loop.call_later(LOOK_SECONDS, self._look)


_doors: "WeakKeyDictionary[ServerState, Door]" = WeakKeyDictionary()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's own, with bounds."""

    _half_sent_since: float | None = None
    _is_in_header = True
    _bytes = 0
    _unread_since: float | None = None
    _closing_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Begin to wait for a request."""
        super().connection_made(transport)
        door = _doors.get(self.server_state)
        if door is None:
            door = _doors[self.server_state] = Door(self.connections, self.loop)  # type: ignore[arg-type]  # all are ours
        self._door = door
        self._begin()
        door.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._door.half_sent.pop(self, None)
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served."""
        return self.cycle is None or self.cycle.response_complete

    def _begin(self) -> None:
        """Count from here to the end of the request; further bytes do not start the count again."""
        if self._half_sent_since is None:
            self._is_in_header = True
            self._bytes = 0
            self._half_sent_since = self.loop.time()
            self._door.half_sent[self] = None

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request, unless it becomes too large."""
        if self._half_sent_since is None and self.is_idle:
            self._begin()  # also for blank lines before a request, which the parser passes over in silence
        self._bytes += len(data)
        super().data_received(data)
        if self._half_sent_since is None or self.transport.is_closing():
            return
        if self._is_in_header and self._bytes > LARGEST_HEADER:
            self._refuse(431, f"The header is larger than {LARGEST_HEADER} bytes.")
        elif self._bytes > LARGEST_MESSAGE:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin to count, also for a request that came in one piece with the one before."""
        self._begin()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field; those after a body, which nobody reads, are dropped."""
        if self._is_in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Have the request served; its body is read there."""
        self._is_in_header = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop to count: the request is there."""
        self._half_sent_since = None
        self._door.half_sent.pop(self, None)
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Notice that the client does not read."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Notice that it does."""
        self._unread_since = None
        super().resume_writing()

    def look(self, now: float) -> None:
        """Hold the deadlines of this connection."""
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > CLOSING_SECONDS:
                self.transport.abort()  # what is left to send is not read
        elif self._unread_since is not None and now - self._unread_since > UNREAD_SECONDS:
            self.transport.abort()
        elif self._half_sent_since is not None and (self.is_idle or not self._is_in_header):
            self._look_at_the_half_sent(now - self._half_sent_since)

    def _look_at_the_half_sent(self, seconds: float) -> None:
        if self._is_in_header and seconds > HEADER_SECONDS:
            if self._bytes:
                self._refuse(408, f"The header did not arrive within {HEADER_SECONDS:g} s.")
            else:
                self.transport.close()  # nothing was asked
        elif seconds > HEADER_SECONDS + BODY_SECONDS and not self.pipeline:
            self.transport.abort()

    def _refuse(self, status: int, detail: str) -> None:
        """Answer what is no request yet, and close."""
        self._half_sent_since = None
        self._door.half_sent.pop(self, None)
        body = f"{detail}\n".encode()
        head = f"content-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()

    def _should_upgrade_to_ws(self) -> bool:
        """Never: there is nothing here that speaks it, and the other protocol has no bounds."""
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: the request is served as if it had not asked."""
