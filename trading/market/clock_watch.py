"""Detect steps of the clocks, record each once, and invalidate readings dated by the time before the step.

The sweeper looks each round, and at its start for what was stored by a clock that was ahead then. A step is one event
(``clock.stepped``), one critical line and with them one notice; a clock that does not come to rest is told once in ten
minutes, with all it moved since.
"""

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from django.db import connection, transaction
from django.utils import timezone
from uuid6 import uuid7

from trading.core import transitions
from trading.domain.ages import is_to_come
from trading.domain.clocks import Clock, Offsets, Step, market_step, steps_between
from trading.market.market_time import CLOCK_MAX_AGE
from trading.models import AgentStatus, Event, SymbolLook

log = structlog.get_logger(__name__)
AGGREGATE, STEPPED = "clock", "clock.stepped"
MACHINES = (Clock.MACHINE, Clock.BOTH)
QUIET_SECONDS = 600.0
LONGEST_LOOK_SECONDS = 1.0  # a look that took longer does not tell the clocks of one moment
REMEMBERED_SECONDS = 300.0
EVENTS_LOOKED_AT = 200
# Counts on while the machine sleeps, where the system has such a clock: waking up is no step.
_PASSING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds_passed() -> float:
    """Return the seconds since the machine was switched on; no setting of a clock changes it."""
    return time.clock_gettime(_PASSING)


def database_clock() -> datetime:
    """Ask the database for its clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


class ClockWatch:
    """What one process knows of the clocks: their offsets when all was told last, and when that was."""

    def __init__(self) -> None:
        self._known: Offsets | None = None
        self._quiet_until: dict[Clock, float] = {}

    def look(self, ask: Callable[[], datetime] = database_clock) -> tuple[Step, ...]:
        """Look at the clocks, with one statement; tell what stepped since the last time, and return it.

        Args:
            ask: asks the database for its clock.

        Raises:
            DatabaseError, InterfaceError: the database is away; nothing is concluded.
        """
        now = _offsets(ask)
        if now is None:
            return ()
        if self._known is None:
            self._known = now
            return ()
        told = []
        for step in steps_between(self._known, now):
            if now.seconds >= self._quiet_until.get(step.clock, 0.0):
                _tell(step)
                self._take(step, now)
                told.append(step)
        return tuple(told)

    def _take(self, step: Step, now: Offsets) -> None:
        """Measure from now on against what was told."""
        assert self._known is not None  # noqa: S101 - set by the look before
        moved_machine = step.clock in MACHINES
        moved_database = step.clock in (Clock.DATABASE, Clock.BOTH)
        self._known = Offsets(
            now.seconds,
            now.machine if moved_machine else self._known.machine,
            now.database if moved_database else self._known.database,
        )
        for clock in Clock:
            if clock in (step.clock, Clock.BOTH) or step.clock is Clock.BOTH:
                self._quiet_until[clock] = now.seconds + QUIET_SECONDS


_watch = ClockWatch()
_has_looked_back = False
_market: tuple[float, float] | None = None


def forget() -> None:
    """Know nothing of the clocks, as a process does that has just started."""
    global _watch, _market, _has_looked_back
    _watch, _market, _has_looked_back = ClockWatch(), None, False


def look(ask: Callable[[], datetime] = database_clock) -> tuple[Step, ...]:
    """Look at the clocks for this process, as ``ClockWatch.look``; the first time also at what is stored."""
    global _has_looked_back
    steps = _watch.look(ask)
    if not _has_looked_back:
        found = _set_back_while_stopped()
        _has_looked_back = True
        if found is not None:
            _tell(found, found_at_start=True)
            steps += (found,)
    return steps


def _set_back_while_stopped() -> Step | None:
    """Return the step that the clock must have made while nobody watched: what happened is dated by a time to come.

    Of the log, what was written after the last step that was told, for that one explains all before it.
    """
    now = timezone.now()
    told = last_step()
    written = Event.objects.filter(position__gt=told.position if told else 0).order_by("-position")
    times = list(written.values_list("occurred_at", flat=True)[:EVENTS_LOOKED_AT])
    for agent in AgentStatus.objects.filter(pk=1):
        times += [
            moment for moment in (agent.positions_as_of, agent.market_time_read_at) if moment is not None
        ]
    latest = max(times, default=None)
    if latest is None or not is_to_come(latest, now) or any(_was_told(clock) for clock in MACHINES):
        return None
    ahead = (latest - now).total_seconds()
    return Step(Clock.MACHINE, -ahead, now.timestamp() + ahead, now.timestamp())


def note_market_clock(now: datetime, *, may_jump: bool) -> Step | None:
    """Compare the broker's clock with what it reported to this process last, up to five minutes ago; tell a step.

    Call outside a transaction that may roll back.

    Args:
        now: what it reported just now.
        may_jump: a replayed market, whose time runs at its own speed and jumps.
    """
    global _market
    before, _market = _market, (now.timestamp(), seconds_passed())
    if before is None or _market[1] - before[1] > REMEMBERED_SECONDS:
        return None
    step = market_step(first=before, then=_market, may_jump=may_jump)
    if step is None or _was_told(Clock.MARKET):  # by another process, which was told of the same step
        return None
    _tell(step)
    return step


def last_step() -> Event | None:
    """Return the event of the step that was told last."""
    return Event.objects.filter(aggregate_type=AGGREGATE).order_by("-position").first()


def stepped_forward(*, since: datetime) -> timedelta:
    """Return by how much the machine's clock stepped forward after ``since``, as far as the last step tells."""
    step = last_step()
    if step is None or step.occurred_at < since or step.payload["clock"] not in MACHINES:
        return timedelta(0)
    return max(timedelta(seconds=step.payload["by_seconds"]), timedelta(0))


def _offsets(ask: Callable[[], datetime] = database_clock) -> Offsets | None:
    """Read the clocks at one moment; None where they stepped, or time was lost, while they were read."""
    began, wall = seconds_passed(), time.time()
    database = ask()
    ended, wall_after = seconds_passed(), time.time()
    took = ended - began
    if took > LONGEST_LOOK_SECONDS or abs(wall_after - wall - took) > LONGEST_LOOK_SECONDS:
        return None
    return Offsets(ended, wall_after - ended, database.timestamp() - (began + ended) / 2)


def _was_told(clock: Clock) -> bool:
    last = (
        Event.objects.filter(aggregate_type=AGGREGATE, payload__clock=clock.value)
        .order_by("-position")
        .first()
    )
    return last is not None and abs(timezone.now() - last.occurred_at) < timedelta(seconds=QUIET_SECONDS)


def _tell(step: Step, *, found_at_start: bool = False) -> None:
    facts: dict[str, object] = {
        "clock": step.clock.value,
        "by_seconds": round(step.by_seconds, 3),
        "before": _to_milliseconds(step.before),
        "after": _to_milliseconds(step.after),
        "machine": socket.gethostname(),
    }
    if found_at_start:
        facts["found_at_start"] = True
    with transaction.atomic():
        if step.clock in MACHINES:
            _distrust()
        # Each step is an aggregate of its own: no row has to be locked, whoever holds which.
        transitions.append_event(
            aggregate_type=AGGREGATE,
            aggregate_id=str(uuid7()),
            event_type=STEPPED,
            payload=facts,
            cycle_id=None,
        )
    log.critical("clock_stepped", **facts)


def _distrust() -> None:
    """Let nothing that was read before the machine's clock stepped pass for fresh, nor hold its turn for long.

    After a small step back an old reading looks young: market time is not known until it is read again. What was
    looked at "later than now" would stay last in the universe's rotation for as long as the step was large.
    """
    now = timezone.now()
    old = now - CLOCK_MAX_AGE - timedelta(seconds=1)
    # A row that is held just now is a sync's, which brings a new reading. The sweeper waits for nobody here.
    agent = AgentStatus.objects.select_for_update(skip_locked=True).filter(pk=1, market_time_read_at__gt=old)
    for row in agent:
        AgentStatus.objects.filter(pk=row.pk).update(market_time_read_at=old)
    ahead = SymbolLook.objects.select_for_update(skip_locked=True).filter(looked_at__gt=now)
    SymbolLook.objects.filter(pk__in=[row.pk for row in ahead]).update(looked_at=now)


def _to_milliseconds(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
