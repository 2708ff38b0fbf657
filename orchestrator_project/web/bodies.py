"""Read request bodies in the event loop, bounded in size, before a thread is taken for the request.

Who sends slowly or without end then keeps nobody else waiting, and nothing of it reaches a disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

LARGEST = 1_000_000
BODY_SECONDS = 10.0  # for the whole body, however it dribbles
SMALL = 65_536  # bodies up to here are bounded by the number of connections alone
MOST_HELD = 64_000_000  # bytes of larger bodies at one time
LINGER_SECONDS = 1.0  # what is still on its way is dropped that long, so that the refusal can be read
LINGER_BYTES = 2_000_000


class RefusedError(Exception):
    """The request goes no further; ``status`` and ``detail`` are what its sender is told."""

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


class ClientGoneError(Exception):
    """The client left before its request was complete."""


class Bodies:
    """Reads bodies, and knows how much of them the process holds."""

    def __init__(self, *, largest: int = LARGEST, seconds: float = BODY_SECONDS) -> None:
        self._largest = largest
        self._seconds = seconds
        self._held = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body; ``let_go`` must follow once it is not needed any more.

        Raises:
            RefusedError: 413 at once where the declared length is too large, or where it grew to that; 408 past the
                deadline; 503 where too much is held already.
            ClientGoneError: there is nobody to answer.
        """
        if _declared(scope) > self._largest:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(receive)
        except TimeoutError:
            raise RefusedError(408, f"The body did not arrive within {self._seconds:g} s.") from None

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        counted = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                body += message.get("body", b"")
                if len(body) > self._largest:
                    raise self._too_large()
                counted += self._count(body, counted)
                if not message.get("more_body", False):
                    return bytes(body)
        except BaseException:
            self._held -= counted
            raise

    def _count(self, body: bytearray, counted: int) -> int:
        """Count what came since; return how many bytes were added."""
        grown = len(body) - counted if len(body) > SMALL else 0
        if self._held + grown > MOST_HELD:
            raise RefusedError(503, "Too many large requests at one time.", retry_after=2)
        self._held += grown
        return grown

    def let_go(self, body: bytes) -> None:
        """Count a body no longer that ``read`` returned."""
        if len(body) > SMALL:
            self._held -= len(body)

    def _too_large(self) -> RefusedError:
        return RefusedError(413, f"The body is larger than {self._largest} bytes.")


async def drop_the_rest(receive: Receive) -> None:
    """Read and forget what a refused client still sends, for a moment: a connection reset would eat the refusal."""
    dropped = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while dropped < LINGER_BYTES:
                message = await receive()
                dropped += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body in one piece, then what the connection has to say."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _declared(scope: Scope) -> int:
    """Return the declared length, 0 where there is none; the server's parser has refused what is no number."""
    return max((int(value) for name, value in scope["headers"] if name == b"content-length"), default=0)
