"""Wall clocks that step, forward and back, of the database, of the product's processes and of the broker, under load.

Whatever steps: the limits hold at the venue, no decision is ordered twice, cycles go on, the loss limit still engages
the switch, and the step is said once. Monotonic clocks go on as they do on a machine whose time is set.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg2
import pytest

from tests.chaos.arena import Arena, opened_arena
from tests.chaos.conftest import Length, Say
from tests.chaos.monitors import Monitors
from tests.chaos.stepping import BROKER, DATABASE, MACHINE, STEPS, why_not
from tests.chaos.storm import NEVER_MIND
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(60_000),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "clocks can be stepped"),
]
INTERVAL_SECONDS = 10.0
BUSY_SECONDS = 120.0  # of a crowded machine, over two intervals; the table says what it took
QUIET_SECONDS = 600.0  # a clock that goes on stepping is told once in ten minutes
SETTLE_SECONDS = 5.0
SHORT = ((DATABASE, -85.0), (MACHINE, 7_200.0), (BROKER, -85.0))
ENDED = "SELECT id::text, status, reason FROM cycles WHERE ended_at IS NOT NULL AND cycle_type = 'analysis'"


@dataclass(slots=True)
class Finding:
    """What a step showed."""

    group: str
    seconds: float
    cycle_seconds: float | None = None
    notices: int = 0
    engage_seconds: float | None = None
    broken: list[str] = field(default_factory=list)

    def words(self) -> str:
        """Say it in a line of the table."""
        cycle = "none" if self.cycle_seconds is None else f"{self.cycle_seconds:.1f} s"
        engaged = "not engaged" if self.engage_seconds is None else f"{self.engage_seconds:.1f} s"
        return (
            f"{self.group:<8} {self.seconds:+8.0f} s   next cycle {cycle:<8} notices {self.notices}"
            f"   loss limit {engaged:<12} broken {len(self.broken)}"
        )


class Steps:
    """The system whose clocks step, and who judges it all the while."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.monitors = Monitors(arena.database_url, arena.venue)
        self.exceeded: list[str] = []
        self.samples = 0
        self._told_at: dict[str, float] = {}
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._losses = 0

    def __enter__(self) -> "Steps":
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampler.join(120)

    def step(self, group: str, seconds: float) -> Finding:
        """Step a clock, and judge what follows."""
        found = Finding(group, seconds)
        before, known = self._notices(), {row[0] for row in self.arena.rows(ENDED)}
        over_before = len(self.exceeded)
        began = time.monotonic()
        self._shift(group, seconds)
        self._await_cycle(found, known, began)
        self._over.wait(SETTLE_SECONDS)
        found.notices = self._notices() - before
        self._judge_notices(found)
        self._lose(found)
        found.broken += [f"over a limit: {words}" for words in self.exceeded[over_before:][:3]]
        orders = self.monitors.venue_orders()
        found.broken += self.monitors.doubled(orders)
        return found

    def _shift(self, group: str, seconds: float) -> None:
        if group == BROKER:
            self.arena.venue.clock(step=seconds)
        self.arena.wall[group].step(seconds)

    def _await_cycle(self, found: Finding, known: set[str], began: float) -> None:
        """A cycle that was not over before the step completes within two intervals; one may end early."""
        bound = 2 * INTERVAL_SECONDS + BUSY_SECONDS
        while time.monotonic() < began + bound:
            with contextlib.suppress(*NEVER_MIND):
                ended = [row for row in self.arena.rows(ENDED) if row[0] not in known]
                if any(status == "completed" for _, status, _ in ended):
                    found.cycle_seconds = time.monotonic() - began
                    return
            self._over.wait(0.2)
        states = self.arena.rows(
            "SELECT status, stage, trigger, started_at, deadline_at, now() FROM cycles ORDER BY started_at DESC LIMIT 3"
        )
        found.broken.append(f"no cycle completed within {bound:.0f} s; the last are {states}")

    def _notices(self) -> int:
        return int(self.arena.rows("SELECT count(*) FROM events WHERE type = 'clock.stepped'")[0][0])

    def _judge_notices(self, found: Finding) -> None:
        """One notice for a step that can be told from a slow look; a replayed market's time may jump."""
        recent = time.monotonic() - self._told_at.get(found.group, -QUIET_SECONDS) < QUIET_SECONDS
        least = 0 if recent or abs(found.seconds) <= 2 or found.group == BROKER else 1
        if found.notices:
            self._told_at[found.group] = time.monotonic()
        if not least <= found.notices <= 1:
            found.broken.append(f"{found.notices} notices of the step, expected one")

    def _lose(self, found: Finding) -> None:
        """Let the account lose a third, another session's each time: the switch is engaged at the next look."""
        self._losses += 1
        start = 1_000_000 + self._losses
        body = {"equity": str(start * 2 // 3), "last_equity": str(start)}
        began = time.monotonic()
        fault = self.arena.venue.fault(kind="alter", route="GET /v2/account", body=body)
        engaged = "SELECT 1 FROM kill_switch WHERE released_at IS NULL AND trigger = 'daily_loss_limit'"
        bound = 2 * INTERVAL_SECONDS + BUSY_SECONDS
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.arena.rows(engaged), seconds=bound, what="the switch")
            found.engage_seconds = time.monotonic() - began
        self.arena.venue.request("DELETE", f"/venue/faults/{fault}")
        if found.engage_seconds is None:
            found.broken.append(f"a loss of a third of the equity engaged nothing within {bound:.0f} s")
            return
        self.arena.manage("kill_switch", "release", "--reason", "the next step")

    def _sample(self) -> None:
        while not self._over.wait(0.4):
            with contextlib.suppress(*NEVER_MIND):
                self.exceeded += self.monitors.exceeded()
                self.samples += 1


@pytest.fixture
def stepping() -> Iterator[Steps]:
    """The system under load, each group of processes with a wall clock of its own."""
    with opened_arena(workers=2, is_stepped=True) as arena, Steps(arena) as steps:
        yield steps


def test_a_clock_that_steps_breaks_no_promise(stepping: Steps, length: Length, say: Say) -> None:
    arena = stepping.arena
    wait_until(lambda: arena.venue.state_report()["orders"], seconds=120, what="the first order at the venue")
    plan = list(SHORT)
    if length.is_long:
        every = [(group, seconds) for group in (DATABASE, MACHINE, BROKER) for seconds in STEPS]
        last = None if length.stops is None else length.first + length.stops
        plan = every[length.first : last]
    findings: list[Finding] = []
    try:
        for group, seconds in plan:
            findings.append(stepping.step(group, seconds))
            say(f"clock: {findings[-1].words()}")
    except psycopg2.Error as error:
        raise AssertionError(f"after {plan[len(findings)]} the database does not answer: {error}") from error
    finally:
        for name in ("sweeper", "worker", "beat"):
            if any(found.broken for found in findings):
                say(f"clock: the last words of {name}: {arena.log(name)[-600:]}")

    say(f"clock: {len(findings)} steps, {stepping.samples} samples, {len(stepping.exceeded)} over a limit")
    broken = [f"{one.group} {one.seconds:+.0f} s: {words}" for one in findings for words in one.broken]
    assert not broken, "\n".join(broken)
