"""The trade update stream over a real websocket, with binary frames."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from connectors.alpaca import stream
from connectors.alpaca.broker import AlpacaBroker
from connectors.alpaca.stream import Backoff, TradeUpdateListener
from connectors.base import BrokerOrderStatus, TradeUpdate
from connectors.errors import UnavailableError
from tests.connectors import samples
from tests.connectors.server import (
    Answer,
    ProviderServer,
    StreamScript,
    redirect_to,
    reset,
)
from tests.waiting import wait_until

QUICK = Backoff(base_seconds=0.01, cap_seconds=0.02, attempts=4)


def make_listener(server: ProviderServer, backoff: Backoff = QUICK) -> TradeUpdateListener:
    return TradeUpdateListener("AKTESTKEY123", "secretsecretsecret", server.url, backoff=backoff)


@contextmanager
def listening(
    listen: Callable[[Callable[[TradeUpdate], None]], None], stop: Callable[[], None]
) -> Iterator[list[TradeUpdate]]:
    """Listen in a thread; stop at the end."""
    updates: list[TradeUpdate] = []
    thread = threading.Thread(target=listen, args=(updates.append,))
    thread.start()
    try:
        yield updates
    finally:
        stop()
        thread.join(180)
        assert not thread.is_alive(), "listen did not end"


def test_updates_arrive_in_our_types(server: ProviderServer, broker: AlpacaBroker) -> None:
    script = StreamScript(frames=[samples.trade_update("new", status="new"), samples.trade_update()])
    server.on("GET", "/stream", script)

    with listening(broker.listen, broker.stop_listening) as updates:
        wait_until(lambda: len(updates) == 2)

    assert [update.event for update in updates] == ["new", "fill"]
    assert updates[1].order.status is BrokerOrderStatus.FILLED
    assert updates[1].order.average_price == Decimal("120.71")
    assert script.messages == [
        {"action": "authenticate", "data": {"key_id": "AKTESTKEY123", "secret_key": "secretsecretsecret"}},
        {"action": "listen", "data": {"streams": ["trade_updates"]}},
    ]


def test_the_callback_runs_in_the_calling_thread_without_a_loop(server: ProviderServer) -> None:
    """Django's ORM refuses to work where an event loop runs."""
    server.on("GET", "/stream", StreamScript(frames=[samples.trade_update()]))
    listener = make_listener(server)
    threads = []

    def on_update(update: TradeUpdate) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        threads.append(threading.current_thread())
        listener.stop()

    listener.listen(on_update)

    assert threads == [threading.current_thread()]


def test_refused_keys_end_it_at_once(server: ProviderServer) -> None:
    script = StreamScript(refuse_keys=True)
    server.on("GET", "/stream", script)

    with pytest.raises(UnavailableError, match="refused the keys"):
        make_listener(server).listen(print)

    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_handshake_ends_it_at_once(server: ProviderServer, status: int) -> None:
    server.on("GET", "/stream", Answer({"message": "forbidden."}, status))

    with pytest.raises(UnavailableError, match="refused the keys"):
        make_listener(server).listen(print)

    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "fault", [reset, Answer(b"oops", 500), Answer(b"", 429), StreamScript(authorization=[1])]
)
def test_a_stream_that_stays_away_ends_after_bounded_attempts(
    server: ProviderServer, fault: Callable[..., object]
) -> None:
    server.on("GET", "/stream", fault)  # type: ignore[arg-type]  # the table mixes handlers

    with pytest.raises(UnavailableError, match="4 failures in a row"):
        make_listener(server).listen(print)

    assert len(server.seen) == 4


def test_a_redirect_is_not_followed_with_the_keys(server: ProviderServer) -> None:
    with ProviderServer() as elsewhere:
        server.on("GET", "/stream", redirect_to(f"{elsewhere.url}/stream"))

        with pytest.raises(UnavailableError, match="4 failures in a row"):
            make_listener(server).listen(print)

        assert elsewhere.seen == []


def test_a_lost_connection_is_made_again_and_updates_go_on(server: ProviderServer) -> None:
    script = StreamScript(frames=[samples.trade_update()], close_after=True)
    server.on("GET", "/stream", script)
    listener = make_listener(server)

    with listening(listener.listen, listener.stop) as updates:
        wait_until(lambda: len(updates) >= 8)

    assert script.connections >= 8, "an update between them ends a row of failures"


def test_a_refused_connection_is_retried(server: ProviderServer) -> None:
    server.on("GET", "/stream", reset, reset, StreamScript(frames=[samples.trade_update()]))
    listener = make_listener(server)

    with listening(listener.listen, listener.stop) as updates:
        wait_until(lambda: len(updates) == 1)


def test_what_cannot_be_read_is_left_out_and_said(
    server: ProviderServer, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [
        b"\xff\xfe not json",
        [1, 2],
        {"stream": "other", "data": {}},
        {"stream": "trade_updates", "data": {"event": "fill"}},
        samples.trade_update(status="teleported"),
        samples.trade_update(),
    ]
    server.on("GET", "/stream", StreamScript(frames=frames))
    listener = make_listener(server)

    with listening(listener.listen, listener.stop) as updates:
        wait_until(lambda: len(updates) == 1)

    assert "left out: malformed answer: field status is 'teleported'" in caplog.text
    assert "not JSON" in caplog.text


@pytest.mark.parametrize("script", [StreamScript(), StreamScript(is_silent=True)])
def test_stop_ends_it_by_itself(
    server: ProviderServer, script: StreamScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle after authentication, and hanging before it: nothing else would end it in an hour."""
    monkeypatch.setattr(stream, "_OPEN_TIMEOUT_SECONDS", 3600)
    server.on("GET", "/stream", script)
    listener = make_listener(server)

    with listening(listener.listen, listener.stop):
        wait_until(lambda: bool(script.messages))


def test_stop_ends_a_wait_between_attempts(server: ProviderServer) -> None:
    server.on("GET", "/stream", reset)
    listener = make_listener(server, Backoff(base_seconds=60))

    with listening(listener.listen, listener.stop):
        wait_until(lambda: len(server.seen) == 1)


def test_stop_before_listen_ends_that_listen_and_no_later_one(server: ProviderServer) -> None:
    server.on("GET", "/stream", StreamScript(frames=[samples.trade_update()]))
    listener = make_listener(server)

    listener.stop()
    listener.listen(print)

    assert server.seen == []
    with listening(listener.listen, listener.stop) as updates:
        wait_until(lambda: len(updates) == 1)


def test_stop_from_a_signal_handler_ends_it(server: ProviderServer) -> None:
    script = StreamScript()
    server.on("GET", "/stream", script)
    listener = make_listener(server)
    previous = signal.signal(signal.SIGUSR1, lambda *_: listener.stop())

    def signal_once_connected() -> None:
        wait_until(lambda: len(script.messages) == 2)
        os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=signal_once_connected)
    thread.start()
    try:
        listener.listen(print)
    finally:
        thread.join(120)
        signal.signal(signal.SIGUSR1, previous)


def test_what_the_callback_raises_ends_it(server: ProviderServer) -> None:
    server.on("GET", "/stream", StreamScript(frames=[samples.trade_update()]))

    def fail(update: TradeUpdate) -> None:
        raise LookupError("no such order")

    with pytest.raises(LookupError, match="no such order"):
        make_listener(server).listen(fail)
