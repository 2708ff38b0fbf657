"""The kill switch while processes stand still: engage waits on nobody, nothing leaves after it, sell-all sells.

Each trial stops some processes around one engagement in the middle of a fan-out of orders, judges at the venue
while they stand still, lets them go on, and judges again. Trial ``n`` of a seed is always the same.
"""

import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import psutil
import psycopg2
import pytest

from risk.services.locks import SWITCH_LOCK
from tests.chaos.conftest import Length, Say
from tests.chaos.engaging import COMMAND, REST, WATCHDOG, WAYS, Engagement, Engager
from tests.chaos.floor import Floor, engage_environment, opened_floor, slow_orders
from tests.chaos.stopping import Stops, stops, wait_stopped
from tests.e2e.system import environment
from tests.trading.outside import Outside

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True), pytest.mark.timeout(60_000)]
ENGAGE_SECONDS = 12.0
FLATTEN_SECONDS = 20.0
CONFIRM_SECONDS = 15.0  # a command that also sells waits this much longer for the broker's word
PATIENCE_SECONDS = 6.0  # beyond the bound, to say by how much it was missed
AFTERWARDS_SECONDS = 4.0
WORKERS = 4
ENTRIES = 20
OWN = 5  # positions held before the fan-out
ROW = "SELECT 1 FROM agent_status WHERE id = 1 FOR UPDATE"
LEAKED = f"SELECT pg_advisory_lock_shared({SWITCH_LOCK})"
HOLDER = (
    "import os, psycopg2, signal, sys; s = psycopg2.connect(sys.argv[1]); c = s.cursor();"
    " c.execute(sys.argv[2]); print('held', flush=True);"
    " os.kill(os.getpid(), signal.SIGSTOP) if sys.argv[3] == 'stopped' else sys.stdin.read()"
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One engagement: by which way, who stands still from when and how long, and what else is in its way."""

    number: int
    way: str
    flatten: bool = False
    victims: tuple[str, ...] = ()
    children: int = 0  # of the worker's, which send
    after: bool = False  # they are stopped after the call, not before
    seconds: float = 3.0
    orders_first: int = 2
    pause: float = 0.1
    minute_used_up: bool = False
    unreadable_row: bool = False
    row_held: bool = False
    lock_leaked: bool = False


# The worst by hand: every case that was seen to hang the switch, or to leave positions unsold.
SHORT = (
    Trial(0, COMMAND, flatten=True, children=4, minute_used_up=True, unreadable_row=True),
    Trial(1, REST, victims=("sweeper", "listener"), children=1, after=True, row_held=True),
    Trial(2, WATCHDOG, victims=("worker", "web"), children=4, lock_leaked=True),
)


def drawn(seed: int, number: int) -> Trial:
    """Return a random trial, the same for the same numbers."""
    chance = random.Random(f"{seed}-{number}")
    way = chance.choice(WAYS)
    flatten = way != WATCHDOG and chance.random() < 0.6
    others = [name for name in ("worker", "sweeper", "web", "listener") if name != "web" or way != REST]
    victims = tuple(name for name in others if chance.random() < 0.4)
    children = chance.randint(0, WORKERS)
    return Trial(
        number,
        way,
        flatten=flatten,
        victims=victims,
        children=children or int(not victims),
        after=chance.random() < 0.5,
        seconds=math.exp(chance.uniform(0, math.log(300))),
        orders_first=chance.randint(1, 4),
        pause=chance.uniform(0, 0.6),
        minute_used_up=flatten and chance.random() < 0.3,
        unreadable_row=flatten and chance.random() < 0.3,
        row_held=chance.random() < 0.1,
        lock_leaked=chance.random() < 0.1,
    )


@pytest.fixture(autouse=True)
def time_of_a_crowded_machine(length: Length, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the bounds to the second in the long form; in the short one tell a wait without end from a slow machine."""
    if not length.is_long:
        for name in ("ENGAGE_SECONDS", "FLATTEN_SECONDS"):
            monkeypatch.setattr(f"{__name__}.{name}", 60.0)


@dataclass(slots=True)
class Outcome:
    """What a trial showed; ``findings`` is what breaks a promise."""

    trial: Trial
    engagement: Engagement
    stopped: int = 0
    findings: list[str] = field(default_factory=list)


def play(floor: Floor, trial: Trial) -> Outcome:
    """Play one trial; whatever it does, everything goes on at its end."""
    own = floor.symbols[:OWN]
    if trial.flatten:
        floor.hold(own)
    folder, address = floor.home / f"engager-{trial.number}", f"{floor.url} {floor.token}"
    with ExitStack() as ending:
        standing = ending.enter_context(stops())
        engager = Engager(trial.way, folder, env=engage_environment(), flatten=trial.flatten, url=address)
        ending.callback(engager.end)
        slow_orders(floor.outside, 0.5)
        floor.wait_for_orders(trial.orders_first, floor.fan_out(floor.symbols[OWN : OWN + ENTRIES]))
        time.sleep(trial.pause)
        if trial.row_held:
            ending.enter_context(session_that_holds(ROW, stopped=True))
        if trial.lock_leaked:
            ending.enter_context(session_that_holds(LEAKED, stopped=False))
        return _engage(floor, trial, engager, standing, own)


def _engage(floor: Floor, trial: Trial, engager: Engager, standing: Stops, own: list[str]) -> Outcome:
    if trial.minute_used_up:
        floor.use_up_the_minute()
    if trial.unreadable_row:
        floor.venue.fault(kind="alter", route="GET /v2/positions", rows=own[:1], body={"qty": None})
    if not trial.after:
        _stop(floor, trial, standing)
    held = [symbol for symbol in floor.held() if not (trial.unreadable_row and symbol == own[0])]
    engager.begin()
    stopped_at = time.monotonic()
    if trial.after:
        time.sleep(trial.pause)
        _stop(floor, trial, standing)
    bound = ENGAGE_SECONDS + (FLATTEN_SECONDS + CONFIRM_SECONDS if trial.flatten else 0)
    outcome = Outcome(trial, engager.wait(bound + PATIENCE_SECONDS), stopped=standing.count)
    outcome.findings += judged(outcome.engagement, bound, standing)
    if trial.flatten:
        outcome.findings += _unsold(floor, held, outcome.engagement.began)
    time.sleep(max(0.0, stopped_at + trial.seconds - time.monotonic()))
    outcome.findings += _late(floor, outcome.engagement, "while they stood still")
    standing.go_on()
    if outcome.engagement.returned is not None:
        time.sleep(AFTERWARDS_SECONDS)
        outcome.findings += _late(floor, outcome.engagement, "after they went on")
    outcome.findings += [f"  {line}" for line in standing.story if outcome.findings]
    return outcome


def _stop(floor: Floor, trial: Trial, standing: Stops) -> None:
    """Stop the processes that the trial names, and so many of those that send."""
    for name in trial.victims:
        standing.stop(name, floor.trees(name))
    busy = _by_work([*floor.trees("worker")[1:], *floor.trees("io_worker")])
    standing.stop("a sender", busy[: trial.children])


def _by_work(senders: list[psutil.Process]) -> list[psutil.Process]:
    """Return the senders, those with the most connections first: they are in a request."""

    def connections(process: psutil.Process) -> int:
        try:
            return len(process.net_connections())
        except psutil.Error:
            return 0

    return sorted(senders, key=connections, reverse=True)


def judged(engagement: Engagement, bound: float, standing: Stops) -> list[str]:
    """Return what is wrong with how an engagement went, as far as its caller sees it."""
    if engagement.error:
        return [engagement.words()]
    if engagement.took is None or engagement.took > bound:
        return [f"{engagement.words()}, the bound is {bound:.0f} s; standing still: {standing.standing}"]
    return []


def _unsold(floor: Floor, held: list[str], began: float) -> list[str]:
    missing = floor.not_sold(held, began, within=FLATTEN_SECONDS)
    while missing and time.monotonic() < began + FLATTEN_SECONDS + PATIENCE_SECONDS:
        time.sleep(0.2)
        missing = floor.not_sold(held, began, within=FLATTEN_SECONDS)
    return [f"not asked to be sold within {FLATTEN_SECONDS:.0f} s: {words}" for words in missing]


def _late(floor: Floor, engagement: Engagement, when: str) -> list[str]:
    if engagement.returned is None:
        return []
    return [f"late, {when}: {words}" for words in floor.late(engagement.returned)]


@contextmanager
def session_that_holds(statement: str, *, stopped: bool) -> Iterator[None]:
    """Hold a row or a lock in another process's session, which stands still or just does not end."""
    argv = [sys.executable, "-c", HOLDER, environment()["DATABASE_URL"], statement]
    argv.append("stopped" if stopped else "idle")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            if stopped:
                wait_stopped(process.pid)
            yield
        finally:
            process.send_signal(signal.SIGKILL)


def percentiles(seconds: list[float]) -> str:
    """Say p50, p99 and the longest, in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
    return (
        f"p50 {cuts[49] * 1000:8.1f} ms   p99 {cuts[98] * 1000:8.1f} ms   max {max(seconds) * 1000:8.1f} ms"
    )


def _table(outcomes: list[Outcome], say: Say) -> None:
    for flatten in (False, True):
        for way in WAYS:
            chosen = [o for o in outcomes if (o.trial.way, o.trial.flatten) == (way, flatten)]
            took = [o.engagement.took for o in chosen if o.engagement.took is not None]
            if chosen:
                name = f"{way}{' --flatten' if flatten else ''}"
                figures = percentiles(took) if took else "none returned"
                say(f"engage {name:<18} {figures}   {len(took)} of {len(chosen)} returned")
    every = [words for o in outcomes for words in o.findings]
    late = sum(words.startswith("late") for words in every)
    unsold = sum(words.startswith("not asked") for words in every)
    say(
        f"engage with stopped processes: {len(outcomes)} trials, {sum(o.stopped for o in outcomes)} stops,"
        f" {late} late requests, {unsold} positions not asked for in time"
    )


def test_the_switch_is_final_also_when_processes_stop(
    trading_account: Outside, length: Length, say: Say
) -> None:
    trials = list(SHORT) if not length.is_long else []
    if length.is_long:
        end = length.first + (200 if length.stops is None else length.stops)
        trials = [drawn(length.seed, number) for number in range(length.first, end)]
    outcomes: list[Outcome] = []
    with opened_floor(trading_account, workers=WORKERS) as floor:
        for trial in trials:
            outcomes.append(play(floor, trial))
            if outcomes[-1].findings or length.is_long:
                say(f"trial {trial.number}: {outcomes[-1].engagement.words()}")
            for words in outcomes[-1].findings:
                say(f"trial {trial.number}: {words}")
            floor.clean()

    _table(outcomes, say)
    found = [f"{o.trial}: {words}" for o in outcomes for words in o.findings]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "session", ["a stopped session that holds the row", "a session that leaked the lock"]
)
def test_a_session_that_does_not_end_keeps_nobody_from_engaging(
    trading_account: Outside, tmp_path: Path, session: str
) -> None:
    statement, stopped = (ROW, True) if "stopped" in session else (LEAKED, False)
    trading_account.hold("ALSQ", "3")
    engager = Engager(COMMAND, tmp_path / "engager", env=engage_environment(), flatten=True)
    with session_that_holds(statement, stopped=stopped):
        engager.begin()
        done = engager.wait(ENGAGE_SECONDS + FLATTEN_SECONDS + CONFIRM_SECONDS)
        sells = [p for p in trading_account.posts() if p["order"]["side"] == "sell"]
        with psycopg2.connect(environment()["DATABASE_URL"]) as judge, judge.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM kill_switch WHERE released_at IS NULL")
            flags = cursor.fetchone()
    engager.end()

    assert flags == (1,), f"{session}: the flag is not committed; {done.words()}"
    assert done.took is not None, f"{session}: {done.words()}"
    assert sells, f"{session}: nothing was asked to be sold; {done.words()}"
    assert sells[0]["monotonic"] - done.began <= FLATTEN_SECONDS
