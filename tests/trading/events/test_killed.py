"""Relay and consumers killed with kill -9 under load, on each transport: nothing lost, nothing twice, in order."""

import random
import threading
import time
from collections import Counter, defaultdict

import pytest
from django.db import connection

from connectors.events import open_queue
from tests.chaos.conftest import Say
from tests.factories import make_agent, make_asset, make_strategy
from tests.trading.events import recorder
from tests.trading.events.load import Load
from tests.trading.events.processes import Processes
from tests.waiting import wait_until
from trading.events.subscriptions import QUEUE, TOPICS
from trading.models import Event, ParkedEvent, TradeProposal

pytestmark = [pytest.mark.system, pytest.mark.timeout(3_000)]
VICTIMS = ("relay", "recorder", "consumer")
Effects = list[tuple[str, str, int]]


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How many kills in this run."""
    wanted = request.config.getoption("--event-kills", default=None)
    return int(wanted or (100 if request.config.getoption("--long", default=False) else 9))


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Lines past the capture."""
    return Say(request.config)


def effects() -> Effects:
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_id, subject, sequence FROM test_effects WHERE subject <> '' ORDER BY n")
        return list(cursor.fetchall())


def progress(victim: str) -> int:
    """Return a figure that grows while the process works."""
    if victim == "relay":
        return Event.objects.filter(published_at__isnull=False).count()
    return len(effects()) if victim == "recorder" else TradeProposal.objects.count()


def out_of_order(had: Effects) -> list[str]:
    """Return aggregates whose effects were not had in the order of their sequences, from 1 on."""
    by_subject: dict[str, list[int]] = defaultdict(list)
    for _, subject, sequence in had:
        by_subject[subject].append(sequence)
    return [name for name, order in by_subject.items() if order != list(range(1, len(order) + 1))]


def test_killed_under_load_nothing_is_lost_doubled_or_out_of_order(
    processes: Processes, events_url: str, kills: int, say: Say
) -> None:
    make_agent()
    make_asset("AAPL")
    make_strategy(name="Outside")
    for queue, topics in ((recorder.QUEUE, recorder.TOPICS), (QUEUE, TOPICS)):
        open_queue(
            events_url, queue, topics
        ).close()  # nobody keeps what is published before there is a queue
    chance, began, pause = random.Random(kills), time.monotonic(), threading.Event()
    processes.start(*VICTIMS)
    counts: Counter[str] = Counter()

    with Load(events_url).running() as load:
        for victim in VICTIMS:
            wait_until(lambda v=victim: progress(v), seconds=300, what=f"{victim}: {processes.log(victim)}")  # type: ignore[misc]
        for number in range(kills):
            victim = VICTIMS[number % 3]
            before = progress(victim)
            wait_until(
                lambda v=victim, b=before: progress(v) > b,  # type: ignore[misc]
                seconds=300,
                what=f"{victim} works: {processes.log(victim)}",
            )
            pause.wait(chance.uniform(0, 0.05))
            processes.kill(victim)
            counts[victim] += 1
            processes.start(victim)
    seconds = time.monotonic() - began
    written, proposed = set(load.events), set(load.proposals)

    def complete() -> bool:
        return len(effects()) >= len(written) and TradeProposal.objects.count() >= len(proposed)

    try:
        wait_until(complete, seconds=600, what="everything is had")
    finally:
        say(
            f"events: {len(effects())} effects of {len(written)} events,"
            f" {TradeProposal.objects.count()} of {len(proposed)} proposals {processes.log('recorder')[-800:]}"
        )
    had, taken = effects(), Counter(TradeProposal.objects.values_list("event_id", flat=True))

    say(
        f"events: {sum(counts.values())} kills in {seconds:.0f} s on {events_url.split(':')[0]}: {dict(counts)};"
        f" {len(written)} events, {len(had)} effects, {len(proposed)} proposals, {sum(taken.values())} taken"
    )
    assert written - {event_id for event_id, _, _ in had} == set()
    assert [pk for pk, n in Counter(event_id for event_id, _, _ in had).items() if n > 1] == []
    assert out_of_order(had) == []
    assert proposed - set(taken) == set()
    assert ParkedEvent.objects.count() == 0
    assert not Event.objects.unpublished().exists()


def test_monitor_of_order_sees_what_is_out_of_order() -> None:
    assert out_of_order([("a", "s", 1), ("c", "s", 3), ("b", "s", 2)]) == ["s"]
