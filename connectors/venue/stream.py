"""The trade_updates stream at ``/stream``: JSON in binary frames, as on the paper account."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web

from connectors.venue.faults import Faults, FaultSpec

log = logging.getLogger("connectors.venue")

_SLOW_READER_UPDATES = 5_000
_CLOSE_SECONDS = 0.5


class UpdateStream:
    """Everybody who listens to trade updates.

    Faults play what a stream does to them: ``lost_update``, ``late_update``, ``repeat_update`` (told a second time
    after a while) and ``reorder_update`` (told after the next one). All listeners hear the same.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._overtaken: deque[dict[str, object]] = deque()
        self._transports: dict[web.WebSocketResponse, asyncio.Transport | None] = {}
        self._listeners: dict[web.WebSocketResponse, asyncio.Queue[dict[str, object]]] = {}

    @property
    def listeners(self) -> int:
        """Number of connections that listen."""
        return len(self._listeners)

    def publish(self, update: dict[str, object]) -> None:
        """Send an update to every listener, as the faults have it; one that does not read loses its connection."""
        if self._strikes("lost_update", update):
            return
        if repeat := self._strikes("repeat_update", update):
            _later(repeat, self._send, update)
        if late := self._strikes("late_update", update):
            _later(late, self._send, update)
        elif swap := self._strikes("reorder_update", update):
            self._overtaken.append(update)
            _later(swap, self._send_overtaken)
        else:
            self._send(update)
            self._send_overtaken()

    def _strikes(self, kind: str, update: dict[str, object]) -> FaultSpec | None:
        order = update.get("order")
        symbols = [str(order.get("symbol"))] if isinstance(order, dict) else []
        return self._faults.hit((kind,), method="GET", path="/stream", symbols=symbols)

    def _send_overtaken(self) -> None:
        while self._overtaken:
            self._send(self._overtaken.popleft())

    def _send(self, update: dict[str, object]) -> None:
        for socket, queue in list(self._listeners.items()):
            if queue.qsize() >= _SLOW_READER_UPDATES:
                self._drop(socket)
            else:
                queue.put_nowait({"stream": "trade_updates", "data": update})

    def disconnect_all(self) -> int:
        """Break every listener's connection without a closing handshake; return how many there were."""
        sockets = list(self._listeners)
        for socket in sockets:
            self._drop(socket)
        return len(sockets)

    async def close(self) -> None:
        """Close every connection in order, at the venue's end."""
        sockets = list(self._transports)
        await asyncio.gather(*(socket.close(code=WSCloseCode.GOING_AWAY) for socket in sockets))

    def _drop(self, socket: web.WebSocketResponse) -> None:
        self._listeners.pop(socket, None)
        transport = self._transports.get(socket)
        if transport is not None:
            transport.abort()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection: authenticate, listen, then updates until either side leaves."""
        socket = web.WebSocketResponse(heartbeat=30.0, timeout=_CLOSE_SECONDS)
        await socket.prepare(request)
        self._transports[socket] = request.transport
        sender: asyncio.Task[None] | None = None
        is_authorized = False
        try:
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    continue
                action, body = _read(message.data)
                if action in ("authenticate", "auth"):
                    is_authorized = bool(body.get("key_id") and body.get("secret_key"))
                    status = "authorized" if is_authorized else "unauthorized"
                    await _send(socket, "authorization", {"status": status, "action": "authenticate"})
                elif action == "listen" and is_authorized:
                    streams = [s for s in _texts(body.get("streams")) if s == "trade_updates"]
                    if streams and sender is None:
                        sender = asyncio.create_task(self._pump(socket))
                    await _send(socket, "listening", {"streams": streams})
                    if self._faults.hit(("disconnect_stream",), method="GET", path="/stream"):
                        self._drop(socket)
                else:
                    await _send(socket, "authorization", {"status": "unauthorized", "action": action})
        finally:
            self._listeners.pop(socket, None)
            self._transports.pop(socket, None)
            if sender is not None:
                sender.cancel()
        return socket

    async def _pump(self, socket: web.WebSocketResponse) -> None:
        queue: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self._listeners[socket] = queue
        try:
            while True:
                await socket.send_bytes(json.dumps(await queue.get()).encode())
        except ConnectionError:
            log.info("a trade_updates listener left")
        finally:
            self._listeners.pop(socket, None)


def _later(spec: FaultSpec, work: Callable[..., None], *arguments: object) -> None:
    seconds = 1.0 if spec.seconds is None else spec.seconds
    asyncio.get_running_loop().call_later(seconds, work, *arguments)


def _read(raw: str | bytes) -> tuple[str, dict[str, object]]:
    """Return the action and its fields; both of Alpaca's forms: nested under ``data``, or flat."""
    try:
        message = json.loads(raw)
    except ValueError:
        return "", {}
    if not isinstance(message, dict):
        return "", {}
    inner = message.get("data")
    body = inner if isinstance(inner, dict) else message
    aliases = {"key_id": body.get("key_id") or body.get("key")}
    aliases["secret_key"] = body.get("secret_key") or body.get("secret")
    return str(message.get("action", "")), {**body, **aliases}


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


async def _send(socket: web.WebSocketResponse, stream: str, body: dict[str, object]) -> None:
    await socket.send_bytes(json.dumps({"stream": stream, "data": body}).encode())
