"""The notifier as it runs, in the consumer's process: killed while it sends, and with a service that hangs."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from aiohttp import web
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from connectors.events import EventBus
from orchestrator_project.environment import load_environment
from orchestrator_project.notifier import start_notifier
from orchestrator_project.runtime.doctor import processes as doctor
from tests.connectors.server import Answer, ProviderServer, hang
from tests.factories import make_agent, make_asset, make_heartbeat, make_notice, make_strategy
from tests.trading.events.load import proposal, write_event
from tests.trading.events.processes import Processes
from tests.waiting import wait_until
from trading.events import notifying, outbox
from trading.events.consuming import take
from trading.events.relaying import Relay
from trading.events.subscriptions import QUEUE, TOPICS
from trading.models import Heartbeat, NoticeMessage, TradeProposal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        server.on_any(Answer({}))
        yield server


@pytest.fixture
def consumer(tmp_path: Path, service: ProviderServer) -> Iterator[Processes]:
    """The consumer's process, not started yet; it tells ``service``."""
    make_agent()
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        client.flushdb()
    address = f"json://127.0.0.1:{service.port}/t0ken-path?rto=10"
    processes = Processes(tmp_path, django_settings.REDIS_URL, variables={"APPRISE_URLS": address})
    yield processes
    processes.stop()


def publish(*proposals: dict[str, object]) -> None:
    """Have the relay publish what is in the log, and others their proposals."""
    queues = {QUEUE: TOPICS, notifying.QUEUE: notifying.TOPICS}
    with EventBus(django_settings.REDIS_URL, queues=queues) as bus:
        Relay().publish_batch(bus)
        for each in proposals:
            bus.publish(each)


@pytest.mark.system
def test_killed_between_send_and_commit_it_tells_once_more_and_no_more(
    consumer: Processes, service: ProviderServer
) -> None:
    killed = threading.Event()

    async def kill(request: web.Request) -> web.StreamResponse:
        consumer.kill("consumer")
        killed.set()
        return web.Response()

    service.on("POST", "/t0ken-path", kill, Answer({}))
    write_event("a")
    publish()
    consumer.start("consumer")
    wait_until(killed.is_set, seconds=180, what=f"killed: {consumer.log('consumer')}")
    between = NoticeMessage.objects.get()

    consumer.start("consumer")
    wait_until(
        lambda: NoticeMessage.objects.filter(status="sent").exists(),
        seconds=180,
        what=f"sent: {consumer.log('consumer')}",
    )
    write_event("b")
    publish()
    wait_until(lambda: NoticeMessage.objects.filter(status="sent").count() == 2, seconds=180, what="next")

    assert (between.status, between.reached) == ("waiting", [])
    first, again, following = [seen.body["message"] for seen in service.seen]
    assert first == again == following
    assert "Engaged by load: test" in first
    assert "t0ken-path" not in consumer.log("consumer")


@pytest.mark.system
def test_service_that_hangs_does_not_delay_a_proposal(consumer: Processes, service: ProviderServer) -> None:
    make_asset("AAPL")
    make_strategy(name="Outside")
    service.on_any(hang)
    write_event("a")
    publish()
    consumer.start("consumer")
    wait_until(lambda: service.seen, seconds=180, what=f"it is being told: {consumer.log('consumer')}")

    publish(proposal(1))
    wait_until(TradeProposal.objects.exists, seconds=180, what="the proposal is taken")

    message = NoticeMessage.objects.get()
    assert (message.status, message.attempts) == ("waiting", 0)  # it still hangs


def test_what_is_made_already_does_not_wait_for_the_transport(
    settings: Settings, service: ProviderServer
) -> None:
    settings.ENVIRONMENT = load_environment({"APPRISE_URLS": f"json://127.0.0.1:{service.port}"})
    settings.EVENTS_URL = "redis://127.0.0.1:1/0"
    make_notice()
    stop = threading.Event()

    thread = start_notifier(stop)
    wait_until(NoticeMessage.objects.filter(status="sent").exists, seconds=180, what="it is sent")
    wait_until(Heartbeat.objects.filter(process="notify").exists, what="a sign of life")
    stop.set()

    assert thread is not None
    thread.join(120)
    assert not thread.is_alive()


def test_relay_keeps_notices_only_where_there_is_somebody_to_tell(settings: Settings) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        make_heartbeat("notify")
        write_event("a")
        call_command("relay_events", "--once")
        without = client.exists(notifying.QUEUE)
        gone = start_notifier(threading.Event())
        settings.ENVIRONMENT = load_environment({"APPRISE_URLS": "json://127.0.0.1"})
        write_event("b")
        call_command("relay_events", "--once")

        assert (without, client.llen(notifying.QUEUE)) == (0, 1)
    assert gone is None
    assert not Heartbeat.objects.filter(process="notify").exists()


def test_doctor_says_how_telling_stands(settings: Settings, service: ProviderServer) -> None:
    assert doctor.notices().status == "off"

    good, bad = f"json://127.0.0.1:{service.port}/t0ken-path", "nobody://t0ken-path"
    settings.ENVIRONMENT = load_environment({"APPRISE_URLS": f"{good},{bad}"})
    words = "address 2 of APPRISE_URLS: notices nobody: apprise cannot read this address"
    assert (doctor.notices().status, doctor.notices().found) == ("warning", words)

    settings.ENVIRONMENT = load_environment({"APPRISE_URLS": good})
    assert (doctor.notices().status, doctor.notices().found) == ("warning", "it has never run here")

    make_heartbeat("notify")
    assert doctor.notices().found == "1 addresses, nothing sent yet, 0 waiting"

    service.on_any(Answer({}, 500))
    make_agent()
    take_switch_event()
    notifying.send_next([good])
    answer = doctor.notices()
    assert answer.status == "warning"
    assert "1 waiting; last failure" in answer.found
    assert "address 1: notices json: Failed to send" in answer.found
    assert "manage.py notify --test" in answer.remedy

    service.on_any(Answer({}))
    NoticeMessage.objects.update(next_attempt_at=timezone.now())
    notifying.send_next([good])
    answer = doctor.notices()
    assert answer.status == "ok"
    assert answer.found.startswith("1 addresses, last sent ")


def take_switch_event() -> None:
    write_event("a")
    (row,) = outbox.next_batch()[:1]
    take(notifying.our_notices(), json.dumps(outbox.published_form(row, source=outbox.our_source())))
    notifying.make_messages()


def test_command_tries_each_address(
    settings: Settings, service: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    service.on("POST", "/s3cret-one", Answer({}, 401))
    base = f"json://127.0.0.1:{service.port}"
    settings.ENVIRONMENT = load_environment({"APPRISE_URLS": f"{base}/s3cret-one,{base}/s3cret-two"})

    with pytest.raises(SystemExit, match="1"):
        call_command("notify", "--test", "--json")
    said = capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        call_command("notify", "--test")
    lines = capsys.readouterr().out.splitlines()
    call_command("notify", "--json")
    standing = json.loads(capsys.readouterr().out)

    facts = json.loads(said)
    assert facts["ok"] is False
    assert [(each["number"], each["service"], each["ok"]) for each in facts["addresses"]] == [
        (1, "json", False), (2, "json", True)
    ]  # fmt: skip
    assert lines[0].startswith("1  json         FAILED  Failed to send JSON POST notification: ")
    assert lines[1] == "2  json         ok"
    assert standing == {
        "services": ["json", "json"],
        "waiting": 0,
        "last_sent_at": None,
        "last_failed_at": None,
        "last_error": "",
    }
    assert "s3cret" not in said + "".join(lines)


def test_command_without_an_address_says_what_to_set() -> None:
    with pytest.raises(CommandError, match="APPRISE_URLS: was not set"):
        call_command("notify", "--test")
