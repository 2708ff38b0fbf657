"""The running system under kill -9 and a hostile venue; at rest every promise must hold."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from celery import Celery

from orchestrator_project.engines import joined_engines
from tests.chaos.arena import Arena
from tests.chaos.conftest import Length, Say
from tests.chaos.monitors import Monitors
from tests.chaos.storm import Storm
from tests.venue_process import VenueProcess
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(4_500)
WORKING = ("worker", "analyst", "sweeper", "listener", "relay", "consumer")
REST = (
    "SELECT (SELECT count(*) FROM cycles WHERE ended_at IS NULL),"
    " (SELECT count(*) FROM sagas WHERE status IN ('running', 'compensating')),"
    " (SELECT count(*) FROM ai_decisions WHERE status IN ('pending', 'claimed', 'executing')),"
    " (SELECT count(*) FROM risk_reservations WHERE released_at IS NULL),"
    " (SELECT count(*) FROM events WHERE public_sequence IS NOT NULL AND published_at IS NULL)"
)

# By the product's own rules: how many decisions' stages, kept as things happened, are not what the facts say at rest.
RESTAMP = (
    "from trading.models import AIDecision; from trading.services.stages import restamp;"
    " print(restamp(AIDecision.objects.values_list('pk', flat=True)))"
)


@pytest.fixture
def arena() -> Iterator[Arena]:
    """The system, started, with its first assets known."""
    home = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    with contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, home, ignore_errors=True)
        urls = ending.enter_context(joined_engines(home))
        venue = ending.enter_context(VenueProcess(seed=11, speed=6, fill_latency=0.1, partial_rate=0.1))
        assert urls.database_url
        assert urls.redis_url
        arena = Arena(home, (urls.database_url, urls.redis_url), venue, workers=4)
        ending.callback(arena.stop)
        arena.start()
        _list_assets(arena)
        yield arena


def _list_assets(arena: Arena) -> None:
    """Have the assets listed by a maintenance cycle, asked for until it is not behind another."""
    listed = "SELECT 1 FROM assets LIMIT 1"
    asked = "SELECT 1 FROM cycles WHERE cycle_type = 'maintenance' AND status IN ('running', 'completed')"
    with Celery(broker=arena.redis_url, set_as_current=False) as client:

        def done() -> bool:
            if not arena.rows(asked):
                client.send_task("trading.start_cycle", ["maintenance"], queue="default", expires=2)
            return bool(arena.rows(listed))

        wait_until(done, seconds=60, what="the assets")


def come_to_rest(arena: Arena, *, patient: bool) -> None:
    """Start no more cycles, clear the faults, and wait until nothing is under way.

    Args:
        patient: wait for every lease to run out. Else the processes are killed once more, so that no
            request is under way, and what they held is given up.
    """
    arena.hold_all(("beat",))
    arena.venue.clear_faults()
    if not patient:
        arena.hold_all(WORKING)
        arena.flush_queue()
        arena.execute("UPDATE cycles SET deadline_at = now() WHERE stage IN ('fetching', 'analysing')")
        arena.execute("UPDATE orders SET lease_until = NULL")
        arena.execute("UPDATE ai_decisions SET lease_until = now() WHERE status = 'claimed'")
        arena.execute("UPDATE sagas SET next_poll_at = now() WHERE ended_at IS NULL")
        arena.execute(
            "UPDATE cycles SET lease_until = now() WHERE ended_at IS NULL AND lease_until IS NOT NULL"
        )
        arena.go_on(WORKING)
    wait_until(lambda: _resting(arena), seconds=300 if patient else 70, what=f"rest: {arena.rows(REST)}")


def _resting(arena: Arena) -> bool:
    try:
        return not any(arena.rows(REST)[0])
    except psycopg2.Error:
        return False


def test_whatever_is_killed_nothing_is_doubled_lost_exceeded_or_leaked(
    arena: Arena, length: Length, say: Say
) -> None:
    monitors = Monitors(arena.database_url, arena.venue)
    storm = Storm(arena, monitors, seed=length.seed, say=say)
    wait_until(lambda: arena.venue.state_report()["orders"], seconds=90, what="the first order at the venue")
    say(f"chaos: seed {length.seed} (--chaos-seed {length.seed} repeats it), {length.kills} kills wanted")
    began = time.monotonic()

    storm.rage(
        kills=length.kills,
        seconds=length.seconds,
        pause=length.pause,
        engage_every=50 if length.is_long else 8,
    )
    storm_seconds, began = time.monotonic() - began, time.monotonic()
    try:
        come_to_rest(arena, patient=length.is_long)
    finally:
        say(f"chaos: {time.monotonic() - began:.0f} s until rest")
        findings = monitors.at_rest()
        _report(storm, monitors, storm_seconds, findings.all(), say)
        _keep_logs(arena)

    assert findings.all() == []
    assert (restamped := arena.manage("shell", "-v", "0", "-c", RESTAMP)).stdout.strip() == "0", restamped
    assert storm.exceeded == []
    assert storm.after_engage == []
    assert storm.total >= min(length.kills, 500 if length.is_long else 12)
    assert storm.samples > 0


def _report(storm: Storm, monitors: Monitors, seconds: float, findings: list[str], say: Say) -> None:
    orders, arena = monitors.venue_orders(), storm.arena
    cycles = dict(arena.rows("SELECT status, count(*) FROM cycles GROUP BY status"))
    count = {
        name: sum(words.startswith(f"{name}:") for words in findings)
        for name in ("doubled", "lost", "leaked")
    }
    say(f"chaos: {storm.total} kills in {seconds:.0f} s: {dict(storm.kills.most_common())}")
    say(
        f"chaos: cycles {cycles}, {len(orders)} orders at the venue, {storm.samples} samples of the limits,"
        f" {storm.engagements} engagements, engines revived {arena.revivals} times"
    )
    say(
        f"chaos: doubled {count['doubled']}, lost {count['lost']}, leaked {count['leaked']},"
        f" exceeded {len(storm.exceeded)}, after engage {len(storm.after_engage)}, findings {len(findings)}"
    )
    for words in (findings + storm.exceeded + storm.after_engage)[:40]:
        say(f"chaos: {words}")


def _keep_logs(arena: Arena) -> None:
    """Copy the logs to the folder that CHAOS_LOGS names, for whoever looks for a cause."""
    wanted = os.environ.get("CHAOS_LOGS")
    if wanted:
        shutil.copytree(arena.home / "logs", wanted, dirs_exist_ok=True)
        shutil.copy(arena.venue.state / "venue.log", wanted)
