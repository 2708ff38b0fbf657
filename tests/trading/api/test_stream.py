"""The event stream from the real web process: nothing left out, nothing twice, no thread each."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg2
import pytest
from django.db import transaction
from uuid6 import uuid7

from orchestrator_project.web.lanes import THREADS
from tests.e2e.system import environment
from tests.factories import make_event, make_user
from tests.risk.threads import beside
from tests.seeding import seed_again
from tests.trading.api.server import Server
from tests.trading.scenes import ago
from tests.waiting import wait_until
from trading.access.api_tokens import issue_token
from trading.api.views import stream
from trading.core import transitions
from trading.events.outbox import forget_foreign_numbers
from trading.models import Event
from trading.queries.event_stream import Place, events_after, newest_place, place_of

pytestmark = pytest.mark.system

MANY = 2_000  # ids, a millisecond each
NOT_YET = "ffffffff-ffff-7000-8000-000000000000"


@pytest.fixture
def token(transactional_db: None) -> str:
    """The token of a viewer."""
    seed_again()
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
    assert listener.has_begun.wait(120)
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
    for _ in range(MANY):
        uuid7()  # of a process that has just made many: their times run ahead of the clock
    before, last, after = make_event(), make_event(), make_event()
    Event.objects.filter(pk=before.pk).update(occurred_at=ago(minutes=1))
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
    place = Place(7, 0)
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(stream, "LOOK_SECONDS", 0)
    monkeypatch.setattr(stream, "_look", lambda place, _: ([], place))

    lasting = asyncio.run(first(3, stream._lines(place, {}, timedelta(minutes=1))))
    ended = asyncio.run(first(3, stream._lines(place, {}, timedelta(0))))

    assert lasting == [b"retry: 2000\n\n", b": nothing new\n\n", b": nothing new\n\n"]
    assert ended == lasting[:2]


class Told:
    """What a client of the stream gets from now on, look by look."""

    def __init__(self) -> None:
        self.place = newest_place()
        self.ids: list[UUID] = []

    def look(self) -> list[UUID]:
        """Look once more; return all that was told since the beginning."""
        found, self.place = events_after(self.place, {})
        self.ids += [event.pk for event in found]
        return self.ids

    def wait_for(self, count: int) -> list[UUID]:
        """Look until so many were told."""
        return wait_until(lambda: self.look() if len(self.look()) >= count else [], what=f"{count} are told")


def append() -> UUID:
    """Append an event to one aggregate, the same each time, in the transaction under way."""
    event = transitions.append_event(
        aggregate_type="test", aggregate_id="1", event_type="test.happened", payload={}, cycle_id=None
    )
    return event.pk


@contextlib.contextmanager
def open_transaction(write: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Hold a transaction open beside us that has written something; what is yielded commits it."""
    written, over = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            write()
            written.set()
            assert over.wait(120)

    with beside(work) as ended:
        assert written.wait(120)

        def commit() -> None:
            over.set()
            ended.result(120)

        try:
            yield commit
        finally:
            over.set()


def test_event_of_a_transaction_still_open_is_neither_skipped_nor_told_early(transactional_db: None) -> None:
    """A later event that is committed first must not hide an earlier one."""
    told = Told()
    early: list[UUID] = []
    with open_transaction(lambda: early.append(make_event().pk)) as commit:
        late = make_event().pk

        while_open = list(told.look())
        commit()

    assert while_open == []
    assert told.wait_for(2) == [early[0], late]
    assert told.look() == [early[0], late]


def test_event_whose_process_stood_still_before_it_was_written_is_told(transactional_db: None) -> None:
    """Its time was taken long before its first write: by time, all that came meanwhile was told already."""
    told = Told()
    quick = make_event().pk
    assert told.wait_for(1) == [quick]

    slow = make_event(occurred_at=ago(seconds=20))
    Event.objects.filter(pk=slow.pk).update(occurred_at=ago(seconds=20))

    assert told.wait_for(2) == [quick, slow.pk]


def test_aggregates_events_are_told_in_their_order_whatever_transaction_was_first(
    transactional_db: None,
) -> None:
    """The transaction that began first writes last, while a third one holds the stream back between the two."""
    told = Told()
    pks: dict[str, UUID] = {}
    first_begins, may_write = threading.Event(), threading.Event()

    def first_writer() -> None:
        with transaction.atomic():
            make_event()
            first_begins.set()
            assert may_write.wait(120)
            pks["second"] = append()

    with beside(first_writer) as ended:
        assert first_begins.wait(120)
        with open_transaction(make_event) as commit_third:
            pks["first"] = append()
            may_write.set()
            ended.result(120)
            while_open = list(told.look())
            commit_third()
    of_aggregate = [pk for pk in told.wait_for(4) if pk in pks.values()]

    assert not set(while_open) & set(pks.values())
    assert of_aggregate == [pks["first"], pks["second"]]


def test_events_from_before_there_were_numbers_come_first(transactional_db: None) -> None:
    old = [make_event().pk for _ in range(3)]
    Event.objects.filter(pk__in=old).update(transaction_id=None)
    new = make_event().pk
    after_first = place_of(old[0])
    assert after_first is not None

    def all_told() -> Sequence[Event]:
        found, _ = events_after(after_first, {})
        return found if len(found) == 3 else []

    assert [event.pk for event in wait_until(all_told, what="all are told")] == [*old[1:], new]


def test_events_of_a_backup_from_another_cluster_do_not_hold_the_stream_back(transactional_db: None) -> None:
    """There more transactions had been; what follows in an aggregate would wait for as many here."""
    restored = append()
    Event.objects.filter(pk=restored).update(transaction_id=2**40)

    assert forget_foreign_numbers() == 1
    told = Told()
    following = append()

    assert told.wait_for(1) == [following]
    assert forget_foreign_numbers() == 0
    assert Event.objects.get(pk=restored).transaction_id is None


def test_stream_waits_for_no_transaction_of_another_database(transactional_db: None) -> None:
    """Numbers are the server's: a transaction of another database of it writes no events of ours."""
    told = Told()
    url = urlsplit(environment()["DATABASE_URL"])
    other = psycopg2.connect(url._replace(path="/postgres").geturl())
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")  # as after its first write
    mine = make_event().pk

    assert told.wait_for(1) == [mine]
    other.close()
