"""Detect that a clock was set: it moved against the monotonic clock.

A clock's offset is what it shows minus the seconds that have passed since the machine was switched on, which no
setting of a clock changes. An offset that is the same twice tells nothing; one that differs tells a step.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

THRESHOLD_SECONDS = 5.0


class Clock(enum.StrEnum):
    """Whose time stepped; ``BOTH`` where the database's is the machine's own."""

    MACHINE = "machine"
    DATABASE = "database"
    BOTH = "machine and database"
    MARKET = "market"


@dataclass(frozen=True, slots=True)
class Offsets:
    """What the clocks show, in unix seconds, minus the time that has passed; ``seconds`` is that time."""

    seconds: float
    machine: float
    database: float


@dataclass(frozen=True, slots=True)
class Step:
    """A step of ``by_seconds``, below zero where it went back; ``before`` and ``after`` in unix seconds.

    ``before`` is what the clock would have shown at ``after``.
    """

    clock: Clock
    by_seconds: float
    before: float
    after: float


def steps_between(first: Offsets, then: Offsets) -> tuple[Step, ...]:
    """Return the steps between two looks: one where machine and database moved by the same, else one each."""
    moved: Mapping[Clock, float] = {
        Clock.MACHINE: then.machine - first.machine,
        Clock.DATABASE: then.database - first.database,
    }
    stepped = {clock: by for clock, by in moved.items() if abs(by) > THRESHOLD_SECONDS}
    if len(stepped) == 2 and abs(moved[Clock.MACHINE] - moved[Clock.DATABASE]) <= THRESHOLD_SECONDS:
        stepped = {Clock.BOTH: moved[Clock.MACHINE]}
    return tuple(_step(clock, by, then) for clock, by in stepped.items())


def _step(clock: Clock, by: float, then: Offsets) -> Step:
    after = then.seconds + (then.database if clock is Clock.DATABASE else then.machine)
    return Step(clock, by, after - by, after)


def market_step(*, first: tuple[float, float], then: tuple[float, float], may_jump: bool) -> Step | None:
    """Return the step of the broker's clock between two readings, each its unix seconds and the time passed.

    Args:
        may_jump: a replayed market, whose time runs at its own speed and jumps from a session to the next: only
            going back is a step there.
    """
    passed = 0.0 if may_jump else then[1] - first[1]
    by = then[0] - first[0] - passed
    if by < -THRESHOLD_SECONDS or (by > THRESHOLD_SECONDS and not may_jump):
        return Step(Clock.MARKET, by, then[0] - by, then[0])
    return None
