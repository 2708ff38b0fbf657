"""The trade_updates stream, with the real SDK and by hand."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from alpaca.trading.stream import TradingStream

from tests.connectors.venue.client import COIN, STOCK, Client
from tests.venue_process import VenueProcess
from tests.waiting import wait_until


@contextmanager
def listening(venue: VenueProcess) -> Iterator[list[Any]]:
    """Collect the updates a real TradingStream receives."""
    received: list[Any] = []

    async def on_update(update: Any) -> None:
        received.append(update)

    stream = TradingStream("key", "secret", url_override=venue.url.replace("http", "ws") + "/stream")
    stream.subscribe_trade_updates(on_update)
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    wait_until(lambda: venue.state_report()["stream_listeners"] == 1)
    try:
        yield received
    finally:
        stream.stop()
        thread.join(120)


def test_sdk_stream_hears_every_step_of_an_orders_life(venue: VenueProcess) -> None:
    client = Client(venue.url)
    with listening(venue) as received:
        order = client.filled(STOCK, qty="2")
        venue.fault(kind="reject_order", symbols=[COIN], times=1)
        rejected = client.wait_for(client.order(COIN, qty="0.1"), "rejected")
        venue.fault(kind="partial_fill", symbols=["ETH/USD"], times=1)
        partial = client.wait_for(client.order("ETH/USD", qty="0.2"), "partially_filled")
        client.send("DELETE", f"/v2/orders/{partial['id']}")
        wait_until(lambda: len(received) >= 6)

    heard = [(str(one.order.id), getattr(one.event, "value", one.event)) for one in received]
    assert heard == [
        (order["id"], "new"),
        (order["id"], "fill"),
        (rejected["id"], "rejected"),
        (partial["id"], "new"),
        (partial["id"], "partial_fill"),
        (partial["id"], "canceled"),
    ]
    fill = received[1]
    assert (fill.qty, fill.position_qty) == (2.0, 2.0)
    assert fill.price == float(order["filled_avg_price"])
    assert fill.order.status.value == "filled"
    execution = client.get("/v2/account/activities/FILL", direction="asc")[0]["id"]
    assert execution.endswith(str(fill.execution_id))


def test_who_listens_hears_the_account_that_begins_anew(venue: VenueProcess) -> None:
    client = Client(venue.url)
    with listening(venue) as received:
        venue.request("POST", "/venue/reset")
        order = client.filled(STOCK)
        wait_until(lambda: len(received) >= 2)

    assert {str(one.order.id) for one in received} == {order["id"]}


def test_sdk_stream_comes_back_after_a_disconnect(venue: VenueProcess) -> None:
    client = Client(venue.url)
    with listening(venue) as received:
        venue.fault(kind="disconnect_stream", times=1)
        wait_until(lambda: venue.state_report()["stream_listeners"] == 0)
        wait_until(lambda: venue.state_report()["stream_listeners"] == 1, seconds=180)
        client.filled(STOCK)
        wait_until(lambda: len(received) >= 2)

    assert venue.faults()[0]["hits"] == 1


def heard_of(venue: VenueProcess, client: Client, *, updates: int) -> tuple[list[str], list[str]]:
    """Let one order of two shares fill in two parts; return what was heard of it, and its executions as they came."""
    venue.fault(kind="partial_fill", symbols=[STOCK], times=1, fraction=0.5, seconds=0.3)
    with listening(venue) as received:
        client.filled(STOCK, qty="2")
        wait_until(lambda: len(received) >= updates)
    told = [str(getattr(one.event, "value", one.event)) for one in received]
    return told, [str(one.execution_id) for one in received if "fill" in str(one.event)]


def test_update_that_is_lost_is_never_told(venue: VenueProcess) -> None:
    venue.fault(kind="lost_update", times=1)

    told, _ = heard_of(venue, Client(venue.url), updates=2)

    assert told == ["partial_fill", "fill"]


def test_update_that_is_late_comes_after_those_that_are_not(venue: VenueProcess) -> None:
    venue.fault(kind="late_update", times=1, seconds=2)

    told, _ = heard_of(venue, Client(venue.url), updates=3)

    assert sorted(told) == ["fill", "new", "partial_fill"]
    assert told[-1] == "new"


def test_update_that_is_repeated_has_the_same_execution_id(venue: VenueProcess) -> None:
    venue.fault(kind="repeat_update", seconds=0)

    told, executions = heard_of(venue, Client(venue.url), updates=6)

    assert sorted(told) == ["fill", "fill", "new", "new", "partial_fill", "partial_fill"]
    assert len(executions) == 4
    assert len(set(executions)) == 2


def test_updates_are_told_in_another_order(venue: VenueProcess) -> None:
    venue.fault(kind="reorder_update", times=1, seconds=60)

    told, _ = heard_of(venue, Client(venue.url), updates=3)

    assert told == ["partial_fill", "new", "fill"]


def test_update_that_nothing_overtakes_is_told_after_a_while(venue: VenueProcess) -> None:
    venue.fault(kind="reorder_update", seconds=0.2)

    told, _ = heard_of(venue, Client(venue.url), updates=3)

    assert sorted(told) == ["fill", "new", "partial_fill"]


def test_stream_that_is_down_takes_nobody_and_drops_who_is_there(venue: VenueProcess) -> None:
    with listening(venue):
        venue.fault(kind="error", route="GET /stream", status=503)
        venue.fault(kind="disconnect_stream", times=1)

        wait_until(lambda: venue.faults()[0]["hits"] >= 1, what="it tries to come back")
        assert venue.state_report()["stream_listeners"] == 0

        venue.clear_faults()
        wait_until(lambda: venue.state_report()["stream_listeners"] == 1)


async def talk(url: str, *messages: object) -> list[aiohttp.WSMessage]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/stream") as socket:
        replies = []
        for message in messages:
            await socket.send_str(message if isinstance(message, str) else json.dumps(message))
            replies.append(await socket.receive(timeout=120))
        return replies


def test_frames_are_binary_and_listening_needs_authorization(venue: VenueProcess) -> None:
    login = {"action": "authenticate", "data": {"key_id": "k", "secret_key": "s"}}
    listen = {"action": "listen", "data": {"streams": ["trade_updates", "other"]}}

    replies = asyncio.run(talk(venue.url, listen, "not json", "[]", login, listen))

    assert {reply.type for reply in replies} == {aiohttp.WSMsgType.BINARY}
    bodies = [json.loads(reply.data) for reply in replies]
    assert [body["stream"] for body in bodies] == ["authorization"] * 4 + ["listening"]
    assert [body["data"].get("status") for body in bodies[:4]] == ["unauthorized"] * 3 + ["authorized"]
    assert bodies[4]["data"] == {"streams": ["trade_updates"]}


def test_flat_form_of_the_login_is_understood(venue: VenueProcess) -> None:
    replies = asyncio.run(talk(venue.url, {"action": "auth", "key": "k", "secret": "s"}))

    assert json.loads(replies[0].data)["data"]["status"] == "authorized"


def test_disconnect_without_listeners_strikes_the_next_one(venue: VenueProcess) -> None:
    venue.fault(kind="disconnect_stream", times=1)
    login = {"action": "auth", "key": "k", "secret": "s"}
    listen = {"action": "listen", "data": {"streams": ["trade_updates"]}}

    async def until_closed() -> aiohttp.WSMsgType:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{venue.url}/stream") as socket:
            for message in (login, listen):
                await socket.send_json(message)
            while True:
                reply = await socket.receive(timeout=120)
                if reply.type != aiohttp.WSMsgType.BINARY:
                    return reply.type

    assert asyncio.run(until_closed()) in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    wait_until(lambda: venue.state_report()["stream_listeners"] == 0)


def test_listeners_do_not_hold_up_the_end() -> None:
    with VenueProcess(is_forked=True) as venue, listening(venue):
        assert venue.stop() == 0
