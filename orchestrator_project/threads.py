"""Threads that requests borrow, so that their database connections live longer than a request.

Django gives each request under ASGI a thread of its own, and with it a new database connection. Here a request
borrows one of a fixed number of threads: connections are kept, and there are never more of them than threads.
An event stream gives its thread back as soon as it begins to stream.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

THREADS = 16
PROBES = ("/health/", "/api/health/")  # answered although every thread is busy
STREAM = b"text/event-stream"


class LentThreads:
    """Wraps an ASGI application; requests beyond the number of threads wait for one."""

    def __init__(self, application: Application, *, threads: int = THREADS) -> None:
        self._application = application
        # Last in, first out: the thread whose connection was used last is used again.
        self._free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        for number in range(threads):
            self._free.put_nowait(ThreadPoolExecutor(1, thread_name_prefix=f"request-{number}"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"].startswith(PROBES):
            await self._application(scope, receive, send)
            return
        thread = await self._free.get()
        is_lent = True

        def give_back() -> None:
            nonlocal is_lent
            if is_lent:
                is_lent = False
                self._free.put_nowait(thread)

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_stream(message):
                give_back()
            await send(message)

        try:
            async with ThreadSensitiveContext(executor=thread):
                await self._application(scope, receive, watch)
        finally:
            give_back()


def _is_stream(message: Message) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(STREAM) for name, value in message["headers"]
    )
