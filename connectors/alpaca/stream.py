"""Alpaca's ``trade_updates`` stream, on alpaca-py's TradingStream.

The SDK's own loop retries refused keys for ever, notices a stop only every 5 s, follows redirects with
the keys, and calls back inside its event loop, where Django's ORM refuses to work. So its connection,
authentication and subscription are used, and the loop around them is here.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from alpaca.trading.stream import TradingStream
from websockets.exceptions import WebSocketException
from websockets.legacy.client import Connect
from websockets.legacy.exceptions import InvalidStatusCode

from connectors.alpaca.addresses import require_paper_address
from connectors.alpaca.mapping import update_from_wire
from connectors.base import TradeUpdate
from connectors.errors import UnavailableError
from connectors.text import storable_json
from connectors.transport import cut

log = logging.getLogger(__name__)
# At debug level the websocket library logs every frame, and the first one holds the keys.
_frames_log = logging.getLogger(f"{__name__}.frames")
_frames_log.setLevel(logging.INFO)

_OPEN_TIMEOUT_SECONDS = 10
_CLOSE_TIMEOUT_SECONDS = 1
ALIVE_SECONDS = 2.0  # a stream that says nothing is said to be there so often
_STEADY_SECONDS = 60  # a connection that lasted this long ends a row of failures


@dataclass(frozen=True, slots=True)
class Backoff:
    """How to reconnect: doubling from ``base_seconds`` to ``cap_seconds``, ``attempts`` in a row at most."""

    base_seconds: float = 1
    cap_seconds: float = 30
    attempts: int = 10

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row, from 1 up."""
        return min(self.cap_seconds, self.base_seconds * 2.0 ** (failures - 1))


class TradeUpdateListener:
    """Listens to one account's order updates, in the calling thread.

    Args:
        trading_url: the paper address; the stream is ``/stream`` there.

    Raises:
        ConfigurationError: the address is not a paper account's.
    """

    def __init__(
        self, api_key: str, secret_key: str, trading_url: str, *, backoff: Backoff | None = None
    ) -> None:
        self._keys = (api_key, secret_key)
        self._url = "ws" + require_paper_address(trading_url).removeprefix("http") + "/stream"
        self._backoff = backoff or Backoff()
        self._connection: _Connection | None = None
        self._connected_at = monotonic()
        self._failures = 0
        # A plain flag and no lock: a signal handler may interrupt the very thread that holds one.
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_event: asyncio.Event | None = None

    def listen(
        self, on_update: Callable[[TradeUpdate], None], *, on_alive: Callable[[], None] | None = None
    ) -> None:
        """Call ``on_update`` for every update until ``stop``; between two calls no event loop runs.

        Args:
            on_alive: called while connected: with each update, and where none comes every ``ALIVE_SECONDS``.

        Raises:
            UnavailableError: the keys were refused, or as many reconnects as allowed failed.
        """
        with asyncio.Runner() as runner:
            try:
                self._stop_event = asyncio.Event()
                self._loop = runner.get_loop()
                while not self._is_stopping:
                    update = runner.run(self._next_update())
                    if update is not None:
                        on_update(update)
                    if on_alive is not None and self._connection is not None:
                        on_alive()
            finally:
                self._loop = None
                runner.run(self._disconnect())
                self._is_stopping, self._failures = False, 0

    def stop(self) -> None:
        """End ``listen``, or the next one where none runs; from any thread or a signal handler."""
        self._is_stopping = True
        loop, event = self._loop, self._stop_event
        if loop is not None and event is not None:
            try:
                loop.call_soon_threadsafe(event.set)
            except RuntimeError:  # it ended by itself meanwhile
                log.debug("trade update stream had ended before the stop")

    async def _next_update(self) -> TradeUpdate | None:
        """Return the next update; None once stopped, or after a while without one."""
        while not self._is_stopping:
            try:
                connection = self._connection or await self._unless_stopped(self._connect())
                waited_for = connection.receive() if connection else None
                message = await self._unless_stopped(waited_for, ALIVE_SECONDS) if waited_for else None
            except _REPAIRABLE as exc:
                was_connected = self._connection is not None
                await self._disconnect()
                await self._wait_after_failure(exc, was_connected=was_connected)
                continue
            update = _readable_update(message)
            if update is not None:
                self._failures = 0
                return update
            if message is None:
                return None
        return None

    async def _connect(self) -> "_Connection":
        connection = _Connection(*self._keys, url_override=self._url, raw_data=True)
        try:
            await asyncio.wait_for(connection.start(), _OPEN_TIMEOUT_SECONDS)
        except BaseException:
            await connection.close()
            raise
        log.info("trade update stream connected")
        self._connection, self._connected_at = connection, monotonic()
        return connection

    async def _unless_stopped(self, work: Any, most_seconds: float | None = None) -> Any:
        """Return the result of ``work``, or None where the stop, or the end of the time, came first."""
        assert self._stop_event is not None  # noqa: S101 - set by listen before any coroutine runs
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop_event.wait())
        try:
            await asyncio.wait({task, stop}, timeout=most_seconds, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            stop.cancel()
            task.cancel()
            await asyncio.wait({task, stop})  # a receive that is given up has to be over before the next one

    async def _wait_after_failure(self, exc: Exception, *, was_connected: bool) -> None:
        if was_connected and monotonic() - self._connected_at > _STEADY_SECONDS:
            self._failures = 0
        self._failures += 1
        detail = cut(f"{type(exc).__name__}: {exc}")
        if self._failures >= self._backoff.attempts:
            raise UnavailableError("alpaca", "listen", f"{self._failures} failures in a row, last {detail}")
        delay = self._backoff.delay(self._failures)
        log.warning("trade update stream lost, reconnecting in %.1f s: %s", delay, detail)
        await self._unless_stopped(asyncio.sleep(delay))

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


# The last two: what the SDK raises over an authentication answer of the wrong shape.
_REPAIRABLE = (WebSocketException, OSError, ValueError, AttributeError)


class _NoRedirects(Connect):
    """The SDK's websocket client, refusing to carry the keys anywhere else."""

    MAX_REDIRECTS_ALLOWED = 1  # it counts connections: one


class _Connection(TradingStream):
    """One authenticated connection of the SDK's stream."""

    _ws: Any  # the SDK assigns None first and annotates nothing

    async def start(self) -> None:
        """Connect, authenticate and subscribe.

        Raises:
            UnavailableError: the keys were refused.
        """
        self.subscribe_trade_updates(_ignore)
        try:
            await self._start_ws()  # type: ignore[no-untyped-call]  # the SDK does not annotate it
        except InvalidStatusCode as exc:
            if exc.status_code in (401, 403):
                raise _keys_refused() from None
            raise
        except ValueError as exc:
            if str(exc) == "failed to authenticate":
                raise _keys_refused() from None
            raise

    async def receive(self) -> Any:
        """Return the next message, None where it is not JSON."""
        text = await self._ws.recv()
        try:
            return json.loads(storable_json(text.encode() if isinstance(text, str) else text))
        except (ValueError, RecursionError):
            log.warning("trade update stream: a message that is not JSON was left out")
            return None

    async def close(self) -> None:
        """Close within a second, whatever the other side does."""
        if self._ws is not None:
            try:
                await asyncio.wait_for(self._ws.close(), _CLOSE_TIMEOUT_SECONDS)
            except (OSError, WebSocketException):
                self._ws.transport.abort()
            self._ws = None

    async def _connect(self) -> None:
        self._ws = await _NoRedirects(
            self._endpoint,
            logger=_frames_log,
            open_timeout=_OPEN_TIMEOUT_SECONDS,
            close_timeout=_CLOSE_TIMEOUT_SECONDS / 4,
            ping_interval=10,
            ping_timeout=20,
            max_queue=1024,
        )


async def _ignore(_: Any) -> None:
    """Stand in for the SDK's handler: it subscribes only where there is one."""


def _keys_refused() -> UnavailableError:
    return UnavailableError("alpaca", "listen", "the stream refused the keys")


def _readable_update(message: Any) -> TradeUpdate | None:
    """Return the update in a message, None for all others; a hint that cannot be read is left out."""
    if not isinstance(message, dict) or message.get("stream") != "trade_updates":
        return None
    try:
        return update_from_wire(message.get("data"))
    except UnavailableError as exc:
        log.warning("trade update stream: an update was left out: %s", exc.detail)
        return None
