import signal
import threading
import time
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from connectors.events import EventQueue, open_queue
from orchestrator_project.notifier import start_notifier
from orchestrator_project.standby import give_way, work_alone
from trading.analysis import proposals
from trading.core import heartbeats
from trading.core.work import Work
from trading.events.consuming import Subscription, take
from trading.events.subscriptions import CONSUMER, QUEUE, TOPICS, our_subscription
from trading.tasks import launch, revive

WAIT_SECONDS = 0.5
TICK_SECONDS = 1.0
NOTIFIER_SECONDS = 3.0  # at the end; what it is doing then is done again after the next start


class Command(BaseCommand):
    help = (
        "Listen for trades proposed by other services and for hints about our orders, and send notices"
        " where APPRISE_URLS is set. One at a time does each."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="take what is there, send no notices, then end"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        once = options["once"]
        if not once:
            give_way()
        notifier = None if once else start_notifier(stop)
        say = partial(heartbeats.beat, CONSUMER)
        work_alone(CONSUMER, lambda: _listen(stop, once=once), stop, say=say, once=once)
        if notifier is not None:
            notifier.join(NOTIFIER_SECONDS)


def _listen(stop: threading.Event, *, once: bool) -> None:
    queue = open_queue(settings.EVENTS_URL, QUEUE, TOPICS)
    try:
        _consume(queue, our_subscription(), stop, once=once)
    finally:
        queue.close()


def _consume(queue: EventQueue, subscription: Subscription, stop: threading.Event, *, once: bool) -> None:
    taken, tick_at = 0, 0.0
    while not stop.is_set():
        delivery = queue.take(wait_seconds=WAIT_SECONDS)
        if delivery is not None:
            works = take(subscription, delivery.body)
            queue.done(delivery)
            _follow(works)
            taken += 1
        if time.monotonic() >= tick_at:
            tick_at = time.monotonic() + TICK_SECONDS
            _tick(taken)
        if once and delivery is None:
            _tick(taken)
            return


def _tick(taken: int) -> None:
    sign = heartbeats.beating(CONSUMER, f"{taken} events since its start")
    cycle = proposals.start_waiting(after=sign)
    if cycle is not None:
        launch(cycle)


def _follow(works: list[Work]) -> None:
    """Enqueue what follows; what is lost here the sweeper finds."""
    for work in works:
        revive(work)
