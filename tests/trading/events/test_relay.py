"""The relay: what is committed is published, in order, whatever commits late; and what stands in its way is seen."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from uuid6 import uuid7

from connectors.errors import UnavailableError
from connectors.events import EventBus, bus, open_queue
from orchestrator_project.runtime.doctor import processes as processes_of_doctor
from orchestrator_project.runtime.doctor import servers
from tests.e2e.system import environment, held
from tests.factories import make_heartbeat, make_parked_event
from tests.trading.events.load import write_event
from tests.trading.events.processes import Processes
from tests.trading.events.validity import FOLDER, problems
from tests.waiting import wait_until
from trading.core.process_lock import only_one
from trading.events import outbox
from trading.events.relaying import Relay
from trading.events.subscriptions import CONSUMER
from trading.models import Event, Heartbeat

QUEUE = "test.reader"


class Published:
    """A transport in memory that refuses after so many; for what a real one cannot be made to do on time."""

    def __init__(self, *, until: int = 1_000) -> None:
        self.ids: list[str] = []
        self.events: list[dict[str, Any]] = []
        self._until = until

    def publish(self, event: Any) -> None:
        if len(self.ids) >= self._until:
            raise UnavailableError("events", "publish", "refused")
        self.ids.append(event["id"])
        self.events.append(event)

    def declare(self) -> None: ...

    def keep_alive(self) -> None: ...

    def trim(self) -> dict[str, int]:
        return {}


def read_all(url: str) -> list[dict[str, Any]]:
    queue, found = open_queue(url, QUEUE, ["#"]), []
    while (delivery := queue.take(wait_seconds=1.0)) is not None:
        found.append(json.loads(delivery.body))
        queue.done(delivery)
    queue.close()
    return found


@pytest.mark.django_db
def test_row_that_commits_late_is_published() -> None:
    """Its id and its position are older than what was published before it was there."""
    early_id = uuid7()
    relay, transport = Relay(), Published()
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('events_position')")
        early_position = cursor.fetchone()[0]
    later = write_event("a")
    relay.publish_batch(transport)
    late = write_event("b")
    Event.objects.filter(pk=late).update(id=early_id, position=early_position)

    relay.publish_batch(transport)

    assert transport.ids == [later, str(early_id)]


@pytest.mark.django_db
def test_ids_in_the_wrong_order_do_not_change_the_order_of_an_aggregate() -> None:
    ids = [write_event("a") for _ in range(3)]
    Event.objects.filter(pk=ids[0]).update(id=uuid7())
    transport = Published()

    Relay().publish_batch(transport)

    assert [event["sequence"] for event in transport.events] == [f"{n:010d}" for n in (1, 2, 3)]


@pytest.mark.django_db
def test_transport_that_fails_halfway_keeps_the_rest_in_the_outbox() -> None:
    ids = [write_event("a") for _ in range(5)]
    relay = Relay()

    with pytest.raises(UnavailableError, match="refused"):
        relay.publish_batch(Published(until=2))
    transport = Published()
    relay.publish_batch(transport)

    assert transport.ids == ids[2:]


@pytest.mark.django_db
def test_empty_outbox_costs_one_small_query() -> None:
    outbox.our_source()
    with CaptureQueriesContext(connection) as captured:
        Relay().publish_batch(Published())

    assert len(captured) == 1


@pytest.mark.django_db
def test_backlog_shows_in_the_sign_of_life() -> None:
    write_event("a")
    Relay().give_sign("transport away")

    detail = Heartbeat.objects.get(process="relay").detail
    assert re.fullmatch(r"0 published, 1 waiting, the oldest for \d+ s; transport away", detail)


@pytest.mark.django_db
def test_doctor_says_that_events_wait_and_that_messages_are_parked() -> None:
    for process in ("relay", CONSUMER):
        make_heartbeat(process, beaten_at=timezone.now())
    assert (processes_of_doctor.relay().status, processes_of_doctor.consumer().status) == ("ok", "ok")
    Event.objects.filter(pk=write_event("a")).update(occurred_at=timezone.now() - timedelta(minutes=2))
    make_parked_event()

    relay, consumer = processes_of_doctor.relay(), processes_of_doctor.consumer()

    assert (relay.status, consumer.status) == ("warning", "warning")
    assert relay.found.startswith("1 events wait to be published, the oldest for 12")
    assert consumer.found == "1 messages are parked"


@pytest.mark.django_db(transaction=True)
def test_second_relay_stands_by() -> None:
    with held("SELECT pg_advisory_lock(17750, hashtext('relay'))"), only_one("relay") as is_one:
        assert not is_one

    def takes_over() -> bool:
        with only_one("relay") as is_one:
            return is_one

    assert wait_until(takes_over, what="the server notices that the first is gone")


@pytest.mark.django_db(transaction=True)
def test_events_reach_a_durable_queue_and_fit_their_schemas(events_url: str, settings: Any) -> None:
    settings.EVENTS_URL = events_url
    open_queue(events_url, QUEUE, ["#"]).close()
    ids = [write_event("a"), write_event("b"), write_event("a")]

    call_command("relay_events", "--once")
    call_command("relay_events", "--once")
    events = read_all(events_url)

    assert [event["id"] for event in events] == ids
    assert [line for event in events for line in problems(event)] == []


@pytest.mark.django_db(transaction=True)
def test_reader_that_died_leaves_what_it_had_to_the_next_in_order(events_url: str) -> None:
    queue = open_queue(events_url, QUEUE, ["#"])
    with EventBus(events_url, queues={}) as transport:
        for number in range(4):
            transport.publish({"id": str(number), "type": "test.event"})
    first = queue.take(wait_seconds=120)
    second = queue.take(wait_seconds=120)
    assert first is not None
    assert second is not None
    queue.done(first)
    queue.close()

    assert [event["id"] for event in read_all(events_url)] == ["1", "2", "3"]


def test_doctor_says_whether_the_transport_answers(events_url: str) -> None:
    port = urlsplit(events_url).port
    away = servers.events(events_url.replace(f":{port}", ":1"))

    assert servers.events(events_url).status == "ok"
    assert away.status == "warning"
    assert "events wait in the database" in away.found


@pytest.mark.django_db
@pytest.mark.parametrize("events_url", ["redis"], indirect=True)
def test_queue_on_redis_that_nobody_reads_is_bounded(
    events_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "MOST_WAITING", 3)
    open_queue(events_url, QUEUE, ["#"]).close()
    with EventBus(events_url, queues={}) as transport:
        for number in range(5):
            transport.publish({"id": str(number), "type": "test.event"})

        dropped = transport.trim()

    assert dropped == {QUEUE: 2}
    assert [event["id"] for event in read_all(events_url)] == ["2", "3", "4"]


@pytest.mark.system
def test_relay_waits_for_a_transport_that_is_away_and_goes_on(processes: Processes) -> None:
    away = Processes(processes._folder, "redis://127.0.0.1:1/0")
    pk = write_event("a")
    away.start("relay")
    wait_until(
        lambda: (
            "1 waiting"
            in (Heartbeat.objects.filter(process="relay").values_list("detail", flat=True).first() or "")
        ),
        seconds=180,
        what=f"the relay says so: {away.log('relay')}",
    )
    away.stop()

    processes.start("relay")
    wait_until(
        lambda: Event.objects.get(pk=pk).published_at,
        seconds=180,
        what=f"published: {processes.log('relay')}",
    )


@pytest.mark.system
@pytest.mark.django_db(transaction=True)
def test_the_documents_consumer_runs(events_url: str, settings: Any, tmp_path: Path) -> None:
    settings.EVENTS_URL = events_url
    (source,) = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    script = tmp_path / "consumer.py"
    script.write_text(source.replace("timeout=10", "timeout=60"))
    output = tmp_path / "output"
    with output.open("w") as out:
        running = subprocess.Popen(
            [sys.executable, str(script)],
            env=environment() | {"EVENTS_URL": events_url},
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: "listening" in output.read_text(), seconds=180, what="the consumer listens")
        write_event("a")
        call_command("relay_events", "--once")
        line = "risk.kill-switch.engaged kill_switch/a 1"
        wait_until(lambda: line in output.read_text(), seconds=180, what=f"printed: {output.read_text()}")
    finally:
        running.kill()
        running.wait(120)
