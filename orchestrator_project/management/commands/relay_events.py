import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from connectors.events import EventBus
from orchestrator_project.standby import give_way, work_alone
from trading.events import notifying
from trading.events.outbox import BATCH
from trading.events.relaying import PROCESS, Relay
from trading.events.subscriptions import QUEUE, TOPICS

IDLE_SECONDS = 0.2


class Command(BaseCommand):
    help = "Publish the outbox to EVENTS_URL: at least once, per aggregate in order. One at a time does it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="publish what is there, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        relay, once = Relay(), options["once"]
        if not once:
            give_way()
        work_alone(PROCESS, lambda: _publish(relay, stop, once=once), stop, say=relay.give_sign, once=once)


def _publish(relay: Relay, stop: threading.Event, *, once: bool) -> None:
    queues = {QUEUE: TOPICS}
    if settings.ENVIRONMENT.apprise_urls:
        queues[notifying.QUEUE] = notifying.TOPICS
    with EventBus(settings.EVENTS_URL, queues=queues) as bus:
        while not stop.is_set():
            count = relay.publish_batch(bus)
            relay.look_after(bus)
            if count < BATCH:
                if once:
                    return
                stop.wait(IDLE_SECONDS)
