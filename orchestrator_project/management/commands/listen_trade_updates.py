import signal
import threading
import time
from functools import partial
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection

from connectors.base import Broker, TradeUpdate
from connectors.errors import ConnectorError
from trading.core.providers import current_providers
from trading.errors import NotConfiguredError
from trading.events.order_hints import Rests, take_update
from trading.orders import broker_stream
from trading.tasks import revive

log = structlog.get_logger(__name__)
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
ALIVE_SECONDS = 2.0  # well below broker_stream.SILENT_AFTER
AWAY = (DatabaseError, InterfaceError)


class Command(BaseCommand):
    help = (
        "Listen to the broker's stream of trade updates and record what it says of our orders. Without it the"
        " broker is asked every few seconds."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        listening: list[Broker] = []
        rests = Rests()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: _stop(stop, listening))
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            try:
                listening[:] = [current_providers().broker]
                listening[0].listen(partial(_hear, rests), on_alive=_Alive(rests))
            except (ConnectorError, NotConfiguredError) as error:
                log.warning("stream_ended", error=str(error), again_in_seconds=pause)
            except AWAY as error:
                _database_away(error)
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _hear(rests: Rests, update: TradeUpdate) -> None:
    """Take an update; one that says no more than that an order rests is looked at in a moment."""
    log.info("trade_update", update=update.event, client_order_id=update.order.client_order_id)
    if not rests.keep(update):
        _take(update)


def _take(update: TradeUpdate) -> None:
    """Record an update and have done what follows; one that is lost costs some seconds until the sweeper asks."""
    try:
        for work in take_update(update):
            revive(work)
    except (IntegrityError, DataError) as error:  # of this order alone: the stream goes on
        name = update.order.client_order_id
        log.warning("trade_update_not_stored", client_order_id=name, error=str(error).strip())
    except AWAY as error:
        _database_away(error)


class _Alive:
    """Gives the sign that the stream is there, at most every ``ALIVE_SECONDS`` however often it is called.

    What waited for its moment is taken then, too.
    """

    def __init__(self, rests: Rests) -> None:
        self._given_at = 0.0
        self._rests = rests

    def __call__(self) -> None:
        try:
            for update in self._rests.due():
                _take(update)
        except AWAY as error:
            _database_away(error)
        if time.monotonic() - self._given_at < ALIVE_SECONDS:
            return
        try:
            broker_stream.note_alive()
        except AWAY as error:
            _database_away(error)
        self._given_at = time.monotonic()


def _database_away(error: Exception) -> None:
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
