"""The event stream from the real web process: nothing left out, nothing twice, no thread each."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest
from django.utils import timezone

from orchestrator_project.runtime.prepare import seed
from orchestrator_project.web.lanes import THREADS
from tests.e2e.system import environment
from tests.factories import make_event, make_user
from tests.trading.api.server import Server
from tests.trading.scenes import ago
from tests.waiting import wait_until
from trading.access.api_tokens import issue_token
from trading.api.views import stream
from trading.models import Event
from trading.queries.event_stream import Place, events_after, newest_place

pytestmark = pytest.mark.system

NOT_YET = "ffffffff-ffff-7000-8000-000000000000"


@pytest.fixture
def token(transactional_db: None) -> str:
    """The token of a viewer."""
    seed()
    return issue_token(user=make_user(group="viewer")).text


class Listener:
    """A client that reads a stream in a thread of its own."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.ids: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.has_begun = threading.Event()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def _read(self, lines: Iterable[bytes]) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):  # the test cuts it off
            for raw in lines:
                word, _, rest = raw.decode().strip().partition(": ")
                if word == "retry":
                    self.has_begun.set()
                elif word == "id":
                    self.ids.append(rest)
                elif word == "data":
                    self.told.append(json.loads(rest))


@contextlib.contextmanager
def listening(server: Server, token: str, query: str = "", last: str = "") -> Iterator[Listener]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    headers = {"Authorization": f"Token {token}"} | ({"Last-Event-ID": last} if last else {})
    connection.request("GET", f"/events/stream{query}", headers=headers)
    sock = connection.sock
    response = connection.getresponse()
    assert response.status == 200, response.read()
    listener = Listener(response)
    assert listener.has_begun.wait(20)
    try:
        yield listener
    finally:
        sock.shutdown(socket.SHUT_RDWR)


def test_clients_see_each_event_once_and_go_on_where_they_were_cut_off(server: Server, token: str) -> None:
    with listening(server, token) as first, listening(server, token, "?type=order.created") as orders:
        events = [str(make_event(type=kind).pk) for kind in ("cycle.created", "order.created")]
        wait_until(lambda: len(first.ids) == 2, what="both events were told")
        wait_until(lambda: len(orders.ids) == 1, what="the order's event was told")
    while_away = [str(make_event().pk) for _ in range(3)]
    with listening(server, token, last=events[0]) as again:
        wait_until(lambda: len(again.ids) == 4, what="what was missed was told")

    assert first.ids == events
    assert orders.ids == events[1:]
    assert again.ids == [events[1], *while_away]
    assert again.told[0]["type"] == "order.created"
    assert again.told[0]["occurredAt"].endswith("Z")


def test_more_streams_than_threads_leave_the_server_free(server: Server, token: str) -> None:
    opened = [listening(server, token) for _ in range(THREADS + 4)]
    listeners = [each.__enter__() for each in opened]
    try:
        event = str(make_event().pk)
        wait_until(lambda: all(each.ids == [event] for each in listeners), what="all were told")

        assert server.get("/mode", token=token).status_code == 200
        assert server.process.num_threads() < THREADS + len(listeners)
    finally:
        for each in opened:
            each.__exit__(None, None, None)


def test_stream_is_for_who_may_see_events(server: Server, token: str) -> None:
    nobody = issue_token(user=make_user()).text

    assert server.get("/events/stream").status_code == 401
    assert server.get("/events/stream", token=nobody).status_code == 403
    for last in ("nonsense", str(uuid4()), NOT_YET):
        refused = server.get("/events/stream", token=token, headers={"Last-Event-ID": last})
        assert refused.status_code == 400
        assert [entry["field"] for entry in refused.json()["errors"]] == ["Last-Event-ID"]
    assert server.get("/events/stream?tpye=x", token=token).status_code == 400


def test_client_whose_last_event_is_forgotten_goes_on_from_its_time(server: Server, token: str) -> None:
    """A stream of what is rare comes again after weeks, and a refused EventSource never tries again."""
    before, last, after = make_event(), make_event(), make_event()
    Event.objects.filter(pk=before.pk).update(occurred_at=ago(seconds=5))
    Event.objects.filter(pk=last.pk).delete()

    with listening(server, token, last=str(last.pk)) as again:
        wait_until(lambda: str(after.pk) in again.ids, what="what came after it was told")

    assert again.ids == [str(after.pk)]


async def first(count: int, lines: AsyncIterator[bytes]) -> list[bytes]:
    """Return the first lines, fewer where it ends before."""
    found: list[bytes] = []
    async for line in lines:
        found.append(line)
        if len(found) == count:
            break
    return found


def test_comment_shows_life_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(timezone.now(), uuid4())
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(stream, "LOOK_SECONDS", 0)
    monkeypatch.setattr(stream, "_look", lambda place, _: ([], place))

    lasting = asyncio.run(first(3, stream._lines(place, {}, timedelta(minutes=1))))
    ended = asyncio.run(first(3, stream._lines(place, {}, timedelta(0))))

    assert lasting == [b"retry: 2000\n\n", b": nothing new\n\n", b": nothing new\n\n"]
    assert ended == lasting[:2]


def test_event_of_a_transaction_still_open_is_waited_for(transactional_db: None) -> None:
    """A later event that is committed first must not hide an earlier one."""
    place = newest_place()
    other = psycopg2.connect(environment()["DATABASE_URL"])
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")  # as after its first write
    late = make_event()

    held_back, place = events_after(place, {})
    other.close()
    told: list[Event] = []

    def collect() -> bool:
        nonlocal place
        found, place = events_after(place, {})
        told.extend(found)
        return bool(told)

    wait_until(collect, what="the event is told")
    assert held_back == []
    assert told == [late]
