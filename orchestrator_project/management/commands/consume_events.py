import signal
import threading
import time
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from connectors.errors import ConnectorError
from connectors.events import EventQueue, open_queue
from orchestrator_project.notifier import start_notifier
from trading.models import Heartbeat
from trading.services import proposals
from trading.services.consuming import Subscription, give_up_gaps, take
from trading.services.single import only_one
from trading.services.subscriptions import CONSUMER, QUEUE, TOPICS, our_subscription
from trading.services.sweeping import Work
from trading.tasks import launch, revive

log = structlog.get_logger(__name__)
WAIT_SECONDS = 0.5
TICK_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
NOTIFIER_SECONDS = 3.0  # at the end; what it is doing then is done again after the next start
STANDBY_SECONDS = 1.0


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
        notifier = None if options["once"] else start_notifier(stop)
        self._keep_consuming(stop, once=options["once"])
        if notifier is not None:
            notifier.join(NOTIFIER_SECONDS)

    def _keep_consuming(self, stop: threading.Event, *, once: bool) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            try:
                _consume_while_it_lasts(stop, once=once)
                if once:
                    return
                stop.wait(STANDBY_SECONDS)
                continue
            except ConnectorError as error:
                log.warning("events_unreachable", error=str(error), again_in_seconds=pause)
                _say(str(error))
            except (DatabaseError, InterfaceError) as error:
                log.critical("database_unreachable", error=str(error).strip(), operation="consume_events")
                connection.close()
            except Exception:
                log.exception("consumer_failed")
                connection.close()
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _consume_while_it_lasts(stop: threading.Event, *, once: bool) -> None:
    """Consume until asked to stop; return at once where another process does."""
    with only_one(CONSUMER) as is_one:
        if not is_one:
            return
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
            _tick(subscription, taken)
        if once and delivery is None:
            _tick(subscription, taken)
            return


def _tick(subscription: Subscription, taken: int) -> None:
    _follow(give_up_gaps(subscription))
    cycle = proposals.start_waiting()
    if cycle is not None:
        launch(cycle)
    Heartbeat.objects.update_or_create(
        process=CONSUMER, defaults={"beaten_at": timezone.now(), "detail": f"{taken} events since its start"}
    )


def _follow(works: list[Work]) -> None:
    """Enqueue what follows; what is lost here the sweeper finds."""
    for work in works:
        revive(work)


def _say(trouble: str) -> None:
    try:
        Heartbeat.objects.update_or_create(
            process=CONSUMER, defaults={"beaten_at": timezone.now(), "detail": trouble[:500]}
        )
    except (DatabaseError, InterfaceError):
        connection.close()
