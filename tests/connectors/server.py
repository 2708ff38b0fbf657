"""A scripted provider: real HTTP and websockets over loopback, with answers and faults by path."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import WSMsgType, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Answer:
    """A plain answer; ``body`` is sent as JSON unless it is bytes."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if isinstance(self.body, bytes):
            return web.Response(body=self.body, status=self.status, headers=self.headers)
        return web.json_response(self.body, status=self.status, headers=self.headers)


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    peer: tuple[str, int]


class ProviderServer:
    """Serves in a thread of its own; unknown paths answer 404 in the provider's words."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._scripts: dict[tuple[str, str], list[Handler]] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._ended: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, method: str, path: str, *answers: Handler) -> None:
        """Answer this path so; the last answer repeats."""
        self._scripts[method, path] = list(answers)

    def on_any(self, answer: Handler) -> None:
        """Answer every path without a script so."""
        self._scripts["*", "*"] = [answer]

    def requests_to(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(120)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._ended is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(120)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self._ended = asyncio.Event()
        self._ready.set()
        await self._ended.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")
        query, headers = dict(request.query), dict(request.headers)
        self.seen.append(Seen(request.method, request.path, query, headers, body, peer))
        script = self._scripts.get((request.method, request.path)) or self._scripts.get(("*", "*"))
        if not script:
            return web.json_response({"code": 40410000, "message": "not found"}, status=404)
        handler = script.pop(0) if len(script) > 1 else script[0]
        return await handler(request)


async def hang(request: web.Request) -> web.StreamResponse:
    """Take the request and never answer."""
    await asyncio.sleep(60)
    return web.Response()


async def reset(request: web.Request) -> web.StreamResponse:
    """Take the request, then reset the connection."""
    transport = request.transport
    assert transport is not None
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    return web.Response()


def truncated(body: Any) -> Handler:
    """Announce the whole body, send half of it, close."""

    async def handler(request: web.Request) -> web.StreamResponse:
        encoded = json.dumps(body).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(encoded)}\r\n\r\n"
        await _send_raw(request, head.encode() + encoded[: len(encoded) // 2])
        return web.Response()

    return handler


def unannounced_cut(body: Any) -> Handler:
    """Announce no length and close in the middle: only the JSON tells that something is missing."""

    async def handler(request: web.Request) -> web.StreamResponse:
        encoded = json.dumps(body).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
        await _send_raw(request, head + encoded[: len(encoded) // 2])
        return web.Response()

    return handler


def drip(body: Any, *, seconds: float, in_head: bool = False) -> Handler:
    """Send a byte every so many seconds, from the body's first byte on or from the status line's."""

    async def handler(request: web.Request) -> web.StreamResponse:
        encoded = json.dumps(body).encode().ljust(4000)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(encoded)}\r\n\r\n"
        transport = request.transport
        assert transport is not None
        if not in_head:
            transport.write(head.encode())
        for byte in (head.encode() if in_head else b"") + encoded:
            if transport.is_closing():
                break
            transport.write(bytes([byte]))
            await asyncio.sleep(seconds)
        return web.Response()

    return handler


def chunked(body: Any, *, pause_seconds: float = 0) -> Handler:
    """Send a byte to a chunk."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for byte in json.dumps(body).encode():
            await response.write(bytes([byte]))
            await asyncio.sleep(pause_seconds)
        return response

    return handler


def redirect_to(url: str) -> Handler:
    """Send elsewhere."""
    return Answer({"message": "moved"}, 307, {"Location": url})


@dataclass
class StreamScript:
    """The ``/stream`` of one account: authenticates, then sends binary frames as it is told.

    ``connections`` counts authenticated ones; ``refuse_keys`` answers as to wrong keys; ``frames`` are
    sent to each connection once it listens; ``close_after`` then closes it.
    """

    frames: list[Any] = field(default_factory=list)
    refuse_keys: bool = False
    is_silent: bool = False
    close_after: bool = False
    authorization: Any = None
    connections: int = 0
    messages: list[Any] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            said = json.loads(message.data)
            self.messages.append(said)
            if self.is_silent:
                continue
            if said["action"] == "authenticate":
                await self._authenticate(ws)
            elif said["action"] == "listen":
                await self._send_frames(ws, said)
                if self.close_after:
                    await ws.close()
        return ws

    async def _authenticate(self, ws: web.WebSocketResponse) -> None:
        status = "unauthorized" if self.refuse_keys else "authorized"
        answer = {"stream": "authorization", "data": {"status": status, "action": "authenticate"}}
        self.connections += not self.refuse_keys
        await ws.send_bytes(json.dumps(self.authorization or answer).encode())

    async def _send_frames(self, ws: web.WebSocketResponse, said: Any) -> None:
        await ws.send_bytes(json.dumps({"stream": "listening", "data": said["data"]}).encode())
        for frame in self.frames:
            await ws.send_bytes(frame if isinstance(frame, bytes) else json.dumps(frame).encode())


async def _send_raw(request: web.Request, payload: bytes) -> None:
    transport = request.transport
    assert transport is not None
    transport.write(payload)
    await asyncio.sleep(0.02)
    transport.close()
