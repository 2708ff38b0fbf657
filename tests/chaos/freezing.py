"""Processes of a storm that stand still for a while, and wall clocks that step, beside the kills."""

import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil

from tests.chaos.arena import Arena
from tests.chaos.stepping import DATABASE, MACHINE, STEPS, SteppedClock
from tests.chaos.stopping import Stops

LOOK_SECONDS = 0.2
# Who is stopped, and how often of all: one child of the worker stands for any of them.
FROZEN = {
    "child": 30,
    "worker": 8,
    "io_worker": 20,
    "sweeper": 12,
    "listener": 8,
    "analyst": 6,
    "web": 6,
    "relay": 5,
    "consumer": 5,
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How much: the longest stop, how many stand still at once, seconds between two steps of the clocks (0: none)."""

    longest: float
    at_once: int
    step_every: float = 0.0


@dataclass(slots=True)
class Freezer:
    """Stops processes of an arena by chance, and steps the clocks of database and processes together."""

    arena: Arena
    pace: Pace
    seed: int
    wall: dict[str, SteppedClock] = field(default_factory=dict)
    stopped: Counter[str] = field(default_factory=Counter)
    steps: list[tuple[datetime, float]] = field(
        default_factory=list
    )  # when, as it was before, and by how much
    _standing: Stops = field(default_factory=Stops)
    _due: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many stops there were."""
        return sum(self.stopped.values())

    def work(self, over: threading.Event) -> None:
        """Stop and continue until it is over; then all go on."""
        chance = random.Random(self.seed + 2)
        step_at = time.monotonic() + self.pace.step_every
        try:
            while not over.wait(LOOK_SECONDS):
                self._continue_due()
                if len(self._due) < self.pace.at_once:
                    self._stop_one(chance)
                if self.wall and self.pace.step_every and time.monotonic() > step_at:
                    step_at = time.monotonic() + self.pace.step_every
                    self._step(chance.choice(STEPS))
        finally:
            self._standing.go_on()
            self._due.clear()

    def spans_a_step(self, began: datetime, ended: datetime) -> bool:
        """Tell whether a clock was stepped between two moments that were written by it."""
        return any(
            began <= moment and ended >= min(moment, moment_after(moment, by)) for moment, by in self.steps
        )

    def _continue_due(self) -> None:
        for name, due in list(self._due.items()):
            if time.monotonic() >= due:
                self._standing.go_on(name)
                del self._due[name]

    def _stop_one(self, chance: random.Random) -> None:
        (name,) = chance.choices(tuple(FROZEN), weights=tuple(FROZEN.values()))
        seconds = math.exp(chance.uniform(0, math.log(self.pace.longest)))
        tree: list[psutil.Process] = self.arena.tree("worker" if name == "child" else name)
        if name == "child":
            children = tree[1:]
            tree = [chance.choice(children)] if children else []
        key = f"{name}-{self.total}"
        if self._standing.stop(key, tree):
            self.stopped[name] += 1
            self._due[key] = time.monotonic() + seconds

    def _step(self, seconds: float) -> None:
        before = datetime.fromtimestamp(time.time() + self.wall[MACHINE].seconds, UTC)
        for group in (DATABASE, MACHINE):
            self.wall[group].step(seconds)
        self.steps.append((before, seconds))


def moment_after(moment: datetime, seconds: float) -> datetime:
    """Return what a clock shows right after it was stepped."""
    return datetime.fromtimestamp(moment.timestamp() + seconds, UTC)
