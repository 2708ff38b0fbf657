"""Threads that serve one request after the other and keep their database connection between them.

Django gives each request under ASGI a thread of its own, and with it a new database connection. Here a request
borrows one of a fixed number of threads: connections are kept, and there are never more of them than threads.
A thread is lent when the whole request is there, and given back when its answer is made: whoever sends or reads slowly
holds none. An event stream gives its thread back as soon as it begins to stream.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from asgiref.sync import ThreadSensitiveContext

from orchestrator_project.web.bodies import Bodies, ClientGoneError, RefusedError, drop_the_rest, replayed
from orchestrator_project.web.lanes import Lane, Lanes, Thread, lane_of

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Refusal = Callable[[str, int, str], tuple[str, bytes]]

PROBES = ("/health/", "/api/health/")  # answered although every thread is busy
STREAM = b"text/event-stream"
LOGINS = 2  # at one time: each costs most of a second of a core


class LentThreads:
    """Wraps an ASGI application; requests beyond the number of threads wait for one.

    Args:
        refusal: media type and body of an answer to a path with a status and what is to be said.
    """

    def __init__(self, application: Application, *, refusal: Refusal) -> None:
        self._application = application
        self._refusal = refusal
        self._bodies = Bodies()
        self._lanes = Lanes()
        self._logins = asyncio.Semaphore(LOGINS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        try:
            body = await self._bodies.read(scope, receive)
        except RefusedError as refused:
            await self._refuse(scope, receive, send, refused)
            return
        except ClientGoneError:
            return
        try:
            await self._serve(scope, replayed(body, receive), send)
        except RefusedError as refused:
            await self._refuse(scope, receive, send, refused)
        finally:
            self._bodies.let_go(body)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(PROBES):
            await self._application(scope, receive, send)
            return
        lane = lane_of(scope["path"])
        if lane is Lane.LOGIN and scope["method"] == "POST":
            async with self._logins:
                answer = await self._answer(scope, receive, send, lane)
        else:
            answer = await self._answer(scope, receive, send, lane)
        if answer is not None:
            await answer

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, lane: Lane
    ) -> "asyncio.Task[None] | None":
        """Have the application answer in a thread; return the sending of it, which needs none."""
        exchange = _Exchange(receive, send, self._lanes, await self._lanes.lend(lane))
        try:
            async with ThreadSensitiveContext(executor=exchange.thread):
                await self._application(scope, exchange.receive, exchange.send)
        finally:
            exchange.give_back()
        return exchange.sending

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refused: RefusedError) -> None:
        """Say why and close the connection, whose rest nobody reads."""
        media_type, body = self._refusal(scope["path"], refused.status, refused.detail)
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        if refused.retry_after is not None:
            headers.append((b"retry-after", str(refused.retry_after).encode()))
        await send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        if refused.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            await drop_the_rest(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Exchange:
    """A request in a thread: gives the thread back at the right moment, and sends without it."""

    def __init__(self, receive: Receive, send: Send, lanes: Lanes, thread: Thread) -> None:
        self.thread = thread
        self.sending: asyncio.Task[None] | None = None
        self._receive = receive
        self._send = send
        self._lanes = lanes
        self._made: list[Message] = []
        self._is_lent = True
        self._is_stream = False
        self._is_cut = False

    async def receive(self) -> Message:
        """Hear the client, and notice when it leaves before it is answered."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and self.sending is None:
            self._is_cut = True
        return message

    async def send(self, message: Message) -> None:
        """Keep the answer until it is whole, then send it beside; a stream is sent as it comes."""
        if message["type"] == "http.response.start" and _is_stream(message):
            self._is_stream = True
            self.give_back()
        if self._is_stream:
            await self._send(message)
            return
        self._made.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.sending = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        for message in self._made:
            await self._send(message)

    def give_back(self) -> None:
        """Return the thread once; where the client left, only when the thread has ended what it still does."""
        if not self._is_lent:
            return
        self._is_lent = False
        if not self._is_cut:
            self._lanes.give_back(self.thread)
            return
        loop = asyncio.get_running_loop()
        end = loop.run_in_executor(self.thread, lambda: None)
        end.add_done_callback(lambda _: self._lanes.give_back(self.thread))


def _is_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(STREAM) for name, value in message["headers"]
    )
