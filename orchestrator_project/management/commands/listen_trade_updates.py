import signal
import threading
import time
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from connectors.base import Broker, TradeUpdate
from connectors.errors import ConnectorError
from trading.core.providers import current_providers
from trading.errors import NotConfiguredError
from trading.events.order_hints import work_on
from trading.tasks import revive

log = structlog.get_logger(__name__)
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Command(BaseCommand):
    help = "Listen to the broker's stream of trade updates. An update is a hint: the broker is then asked."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        listening: list[Broker] = []
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: _stop(stop, listening))
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            try:
                listening[:] = [current_providers().broker]
                listening[0].listen(_take_hint)
            except (ConnectorError, NotConfiguredError) as error:
                log.warning("stream_ended", error=str(error), again_in_seconds=pause)
            except DatabaseError as error:
                _database_away(error)
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _take_hint(update: TradeUpdate) -> None:
    """Have the order's saga advanced; a hint that is lost costs some seconds until the sweeper asks."""
    client_order_id = update.order.client_order_id
    log.info("trade_update", update=update.event, client_order_id=client_order_id)
    try:
        for work in work_on(client_order_id, told_filled=update.order.filled_quantity):
            revive(work)
    except DatabaseError as error:
        _database_away(error)


def _database_away(error: DatabaseError) -> None:
    log.critical(
        "database_unreachable",
        error_type=type(error).__name__,
        error=str(error).strip(),
        operation="listen",
        state="waiting",
    )
    connection.close()


def _stop(stop: threading.Event, listening: list[Broker]) -> None:
    """End the loop; runs inside the stream's event loop, where the ORM must not be used."""
    stop.set()
    for broker in listening:
        broker.stop_listening()
