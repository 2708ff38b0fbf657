import math
import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import QuerySet
from django.utils import timezone

from connectors.errors import ConnectorError
from orchestrator_project.observability.metric_totals import count_new
from trading.core import heartbeats
from trading.core.settings import read_once
from trading.core.statements.together import Select, read_together
from trading.core.work import Work
from trading.errors import TradingError
from trading.execution.reconciliation import reconcile
from trading.exits.rounds import Rounds
from trading.market import clock_watch
from trading.models import RuntimeSetting
from trading.queries import stage_words
from trading.safety import watchdog
from trading.tasks import revive
from trading.work import lookout
from trading.work.guardian import Guardian
from trading.work.sweeping import end_overdue, find_work, overdue_selects, work_selects

log = structlog.get_logger(__name__)
TICK_SECONDS = 1.0
REVIVE_AGAIN_SECONDS = 10.0
COUNT_SECONDS = 5.0
DATABASE_PAUSE_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "Revive work that lost its message, end what is past its deadline, count for /metrics."
        " Reads only PostgreSQL."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="one round, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        revived: dict[Work, float] = {}
        reconciled = False
        count_at = 0.0
        staged_at = -math.inf
        beside = [
            threading.Thread(target=_repeat, args=(look, stop, options["once"]), name=name, daemon=True)
            for name, look in (("guardian", Guardian().look), ("exits", Rounds().look))
        ]
        for thread in beside:
            thread.start()
        while not stop.is_set():
            try:
                most_notes = self._round(revived)
                reconciled = reconciled or _reconciled()
                if time.monotonic() >= count_at:
                    count_at = time.monotonic() + COUNT_SECONDS
                    _aside("metrics_not_counted", count_new)
                if stage_words.is_due(most_notes, time.monotonic() - staged_at):
                    staged_at = time.monotonic()
                    _aside("stages_not_kept", stage_words.catch_up)
            except (DatabaseError, InterfaceError) as error:
                log.critical(
                    "database_unreachable",
                    error_type=type(error).__name__,
                    error=str(error).strip(),
                    operation="sweep",
                    state="waiting",
                )
                connection.close()
                stop.wait(DATABASE_PAUSE_SECONDS)
            except Exception:
                log.exception("sweeper_round_failed")
            if options["once"]:
                for thread in beside:
                    thread.join()
                return
            stop.wait(TICK_SECONDS)

    def _round(self, revived: dict[Work, float]) -> int:
        """Do one round; work is not enqueued again while its last message may still be on the way.

        Returns:
            How many changes there are at most that stages have to be brought up to.
        """
        # Not what is revived: where the queue is away it is done here, by the settings of then.
        sign = _Sign()
        clock_watch.look(sign.give)
        with read_once(sign.settings):
            read = _ask()
            if end_overdue(read) or read["late"] or read["waiting"]:
                read = _ask()  # what has ended has left work, or needs none any more
            (notes,) = read.pop("notes")
            watchdog.patrol(read)
            lookout.look(read["agent"])
            found = find_work(read)
        now = time.monotonic()
        for work in found:
            if now - revived.get(work, -REVIVE_AGAIN_SECONDS) >= REVIVE_AGAIN_SECONDS:
                revived[work] = now
                _revive(work)
        for gone in revived.keys() - set(found):
            del revived[gone]
        return int(notes["most"])


class _Sign:
    """Gives the sign of life in one message with what each round begins with: the database's clock, and settings."""

    def __init__(self) -> None:
        self.settings: list[RuntimeSetting] = []

    def give(self) -> datetime:
        """Give it; return the database's clock."""
        asked: dict[str, QuerySet[Any] | Select] = {
            "clock": Select("SELECT clock_timestamp() AS now"),
            "settings": RuntimeSetting.objects.only("name", "value"),
        }
        read = read_together(asked, after=heartbeats.beating("sweeper"))
        self.settings = read["settings"]
        return datetime.fromisoformat(read["clock"][0]["now"])


def _ask() -> dict[str, list[Any]]:
    """Ask in one statement whether there is anything to do."""
    now = timezone.now()
    return read_together(
        {
            **overdue_selects(now),
            **watchdog.patrol_selects(),
            **work_selects(now),
            "agent": lookout.agent_select(),
            "notes": stage_words.NOTES,
        }
    )


def _repeat(look: Callable[[], None], stop: threading.Event, once: bool) -> None:
    """Look each second in a thread of its own, so that a broker that hangs keeps no cycle waiting."""
    try:
        while not stop.is_set():
            look()
            if once:
                return
            stop.wait(TICK_SECONDS)
    finally:
        connection.close()


def _aside(event: str, act: Callable[[], object]) -> None:
    """Do what nothing of the round depends on; where it fails, the log says so, and the next round does it."""
    try:
        act()
    except (DatabaseError, InterfaceError) as error:
        log.warning(event, error_type=type(error).__name__, error=str(error).strip())


def _revive(work: Work) -> None:
    """Revive one piece; one that fails must not keep the others from their turn."""
    try:
        revive(work)
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        log.exception("revival_failed", kind=work.kind, id=str(work.id))


def _reconciled() -> bool:
    """Reconcile, as every start does; False while the broker does not answer yet."""
    try:
        reconcile()
    except (ConnectorError, TradingError) as error:
        log.warning("reconcile_at_start_waits", error=str(error))
        return False
    return True
