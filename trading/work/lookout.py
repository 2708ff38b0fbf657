"""What the sweeper checks by itself: the account where no cycle reads it, the schedule, locks and disk.

The loss limit must not depend on cycles: a schedule that was disabled, workers that died, Redis being away or an
engaged switch each end them, and with them every sync. Time is this process's own steady clock, so that a clock
that is set neither delays a look nor brings a storm of them. ADR 0027.
"""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from threading import Thread

import structlog
from django.db import connection
from django.db.models import QuerySet

from connectors.errors import ConnectorError
from trading.core import settings
from trading.errors import TradingError
from trading.execution.portfolio import sync_portfolio
from trading.models import AgentStatus
from trading.work import conditions, disk_space
from trading.work.conditions import Condition
from trading.work.lock_registry import read_locks, words_of
from trading.work.schedule import why_no_cycle_starts

log = structlog.get_logger(__name__)
SILENT_INTERVALS = 2
GRACE_SECONDS = 30.0  # for our own look to end, before the silence is called overdue
CONDITIONS_SECONDS = 5.0
LOCKS_SETTLE_SECONDS = 30.0  # so that a busy minute is one trouble, not twelve


class Lookout:
    """What one process has seen; ``look`` is called each round.

    Args:
        clock: steady seconds.
        start: runs a look at the account beside the round, which must not wait for a broker that hangs.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], Thread | None] | None = None,
    ) -> None:
        self._clock = clock
        self._start = start or _beside
        self._stored: datetime | None = None
        self._seen_at: float | None = None
        self._has_seen_a_sync = False
        self._look_at = self._conditions_at = 0.0
        self._under_way: Thread | None = None
        self._locks_free_since: float | None = None

    def look(self, agents: Sequence[AgentStatus] | None = None) -> None:
        """Do what is due; reads a few rows where nothing is.

        Args:
            agents: the rows of ``agent_select``, where the caller has just read them.
        """
        now = self._clock()
        interval = settings.seconds("cycle_interval")
        found = agents if agents is not None else agent_select()
        silent = now - self._last_sync_seen_at(now, next((row.positions_as_of for row in found), None))
        if silent >= SILENT_INTERVALS * interval and now >= self._look_at and not self._is_looking():
            self._look_at = now + interval
            log.info("lookout_syncs", silent_seconds=round(silent))
            self._under_way = self._start(look_at_account)
        if now >= self._conditions_at:
            self._conditions_at = now + CONDITIONS_SECONDS
            begun = conditions.begun()
            self._watch_sync(silent, SILENT_INTERVALS * interval + GRACE_SECONDS, begun)
            _watch_schedule(begun)
            self._watch_locks(now, begun)
            _watch_disk(begun)

    def _last_sync_seen_at(self, now: float, stored: datetime | None) -> float:
        """Return when a sync was seen, or this process began to look; known by its mark, whatever time is in it."""
        if self._seen_at is None:
            self._stored, self._seen_at = stored, now
        elif stored != self._stored:
            self._stored, self._seen_at, self._has_seen_a_sync = stored, now, True
        return self._seen_at

    def _is_looking(self) -> bool:
        return self._under_way is not None and self._under_way.is_alive()

    def _watch_sync(self, silent: float, bound: float, begun: Collection[str]) -> None:
        if silent >= bound:
            reason = f"the account was not read for {silent:.0f} s, though the sweeper has tried itself"
            conditions.begin(conditions.SYNC, reason=reason, seconds=round(silent, 1))
        elif self._has_seen_a_sync:  # a process that has just started has seen nothing yet, of either
            _end(conditions.SYNC, begun, reason="the account is read again")

    def _watch_locks(self, now: float, begun: Collection[str]) -> None:
        long_ones = read_locks().long_ones
        if long_ones:
            self._locks_free_since = None
            longest = long_ones[0]
            conditions.begin(
                conditions.LOCKS,
                reason=words_of(longest),
                lock=longest.lock,
                seconds=round(longest.seconds, 1),
            )
            return
        if self._locks_free_since is None:
            self._locks_free_since = now
        if now - self._locks_free_since >= LOCKS_SETTLE_SECONDS:
            _end(conditions.LOCKS, begun, reason="no lock is held or waited for too long")


def look_at_account() -> None:
    """Sync the account, which ends in the watchdog's look at it; a failure is counted there, and logged here."""
    try:
        sync_portfolio(None, looks=1)
    except (ConnectorError, TradingError) as error:
        log.warning("lookout_could_not_sync", error_type=type(error).__name__, error=str(error))
    except Exception:
        log.exception("lookout_failed")


def _beside(work: Callable[[], None]) -> Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()  # this thread's own

    thread = Thread(target=run, name="lookout", daemon=True)
    thread.start()
    return thread


def _end(condition: Condition, begun: Collection[str], *, reason: str) -> None:
    """Write down that it is over, where it had begun when that was read for all."""
    if condition.name in begun:
        conditions.end(condition, reason=reason)


def _watch_schedule(begun: Collection[str]) -> None:
    reason = why_no_cycle_starts()
    if reason is None:
        _end(conditions.SCHEDULE, begun, reason="cycles start by themselves again")
    else:
        conditions.begin(conditions.SCHEDULE, reason=reason)


def _watch_disk(begun: Collection[str]) -> None:
    free = disk_space.free_bytes()
    if free is None:
        return
    megabytes = free // disk_space.MEGABYTE
    if free < disk_space.LOW_BYTES:
        reason = f"{megabytes} MB free at {disk_space.state_folder()}"
        conditions.begin(conditions.DISK, reason=reason, free_megabytes=megabytes)
    elif free >= disk_space.LOW_ENDS_BYTES:
        _end(conditions.DISK, begun, reason=f"{megabytes} MB free")


_lookout = Lookout()


def agent_select() -> QuerySet[AgentStatus]:
    """Return the query of the row that says when the account was read last, for who reads it with more."""
    return AgentStatus.objects.filter(pk=1).only("pk", "positions_as_of")


def look(agents: Sequence[AgentStatus] | None = None) -> None:
    """Do one round of the sweeper's looks, as ``Lookout.look``; whatever fails in it, the round goes on."""
    try:
        _lookout.look(agents)
    except Exception:
        log.exception("lookout_failed")
