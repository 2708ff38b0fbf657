import signal
import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, connection

from connectors.errors import ConnectorError
from connectors.events import EventBus
from trading.services import notifying
from trading.services.relaying import BATCH, PROCESS, Relay
from trading.services.single import only_one
from trading.services.subscriptions import QUEUE, TOPICS

log = structlog.get_logger(__name__)
IDLE_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
STANDBY_SECONDS = 1.0


class Command(BaseCommand):
    help = "Publish the outbox to EVENTS_URL: at least once, per aggregate in order. One at a time does it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="publish what is there, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        relay, pause = Relay(), FIRST_PAUSE_SECONDS
        while not stop.is_set():
            published = relay.published
            try:
                _relay_while_it_lasts(relay, stop, once=options["once"])
                if options["once"]:
                    return
                stop.wait(STANDBY_SECONDS)
                continue
            except ConnectorError as error:
                log.warning("events_unreachable", error=str(error), again_in_seconds=pause)
                _say(relay, str(error))
            except (DatabaseError, InterfaceError) as error:
                log.critical("database_unreachable", error=str(error).strip(), operation="relay_events")
                connection.close()
            except Exception:
                log.exception("relay_failed")
                connection.close()
            pause = FIRST_PAUSE_SECONDS if relay.published > published else pause
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _relay_while_it_lasts(relay: Relay, stop: threading.Event, *, once: bool) -> None:
    """Publish until asked to stop; return at once where another process does."""
    with only_one(PROCESS) as is_one:
        if not is_one:
            return
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


def _say(relay: Relay, trouble: str) -> None:
    """Give the sign of life with what is wrong, if the database is there."""
    try:
        relay.give_sign(trouble)
    except (DatabaseError, InterfaceError):
        connection.close()
