"""Run relay, consumer or notifier in one process at a time; the others stand by and take over when it ends."""

import os
import threading
import time
from collections.abc import Callable

import structlog
from django.db import DatabaseError, InterfaceError, connection

from connectors.errors import ConnectorError
from trading.core.process_lock import only_one

log = structlog.get_logger(__name__)
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
STANDBY_SECONDS = 1.0
NICENESS = 5


def give_way(niceness: int = NICENESS) -> None:
    """Leave the cores to what trades, as long as this process lives: what others are told may come a moment later."""
    os.nice(niceness)


def work_alone(
    name: str,
    work: Callable[[], None],
    stop: threading.Event,
    *,
    say: Callable[[str], None],
    once: bool = False,
) -> None:
    """Work until ``stop`` is set, whatever fails in between; pauses grow until it lasted for a while.

    Args:
        name: of which one works at a time, over all processes; the others stand by.
        work: returns when ``stop`` is set, or with ``once`` when nothing is left to do.
        say: puts a trouble with the transport where doctor reads it; the database may be away.
    """
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        began = time.monotonic()
        try:
            with only_one(name) as is_one:
                if is_one:
                    work()
            if once:
                return
            stop.wait(STANDBY_SECONDS)
            continue
        except ConnectorError as error:
            log.warning(
                "events_unreachable",
                error_type=type(error).__name__,
                error=str(error),
                operation=name,
                again_in_seconds=pause,
            )
            _say(say, str(error))
        except (DatabaseError, InterfaceError) as error:
            log.critical("database_unreachable", error=str(error).strip(), operation=name)
            connection.close()
        except Exception:
            log.exception("work_failed", operation=name)
            connection.close()
        if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        stop.wait(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _say(say: Callable[[str], None], trouble: str) -> None:
    try:
        say(trouble)
    except (DatabaseError, InterfaceError):
        connection.close()
