"""The running system under kill -9 and a hostile venue; at rest every promise must hold."""

import os
import shutil
import time
from collections.abc import Iterator

import pytest

from tests.chaos.arena import Arena, opened_arena
from tests.chaos.conftest import Length, Say
from tests.chaos.freezing import Freezer, Pace
from tests.chaos.monitors import Monitors
from tests.chaos.resting import come_to_rest, judged_at_rest
from tests.chaos.stepping import why_not
from tests.chaos.storm import Storm
from tests.waiting import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(4_500)]
# Stops of up to 60 s, three at once; the clocks of database and processes step each two minutes.
FREEZING = {True: Pace(60.0, 3, 120.0), False: Pace(4.0, 2)}
# By the product's own rules: how many decisions' stages, kept by what was noted, are not what the facts say at rest.
RESTAMP = (
    "from trading.models import AIDecision; from trading.queries.stage_words import restamp;"
    " print(restamp(AIDecision.objects.values_list('pk', flat=True)))"
)


@pytest.fixture
def arena(length: Length) -> Iterator[Arena]:
    """The system, started; in the long form with clocks that can be stepped, where there is a compiler."""
    is_stepped = length.is_long and not why_not()
    with opened_arena(workers=4, is_stepped=is_stepped, partial_rate=0.1) as arena:
        yield arena


def test_whatever_is_killed_nothing_is_doubled_lost_exceeded_or_leaked(
    arena: Arena, length: Length, say: Say
) -> None:
    monitors = Monitors(arena.database_url, arena.venue)
    freezer = Freezer(arena, FREEZING[length.is_long], length.seed, arena.wall)
    monitors.spans_a_step = freezer.spans_a_step
    storm = Storm(arena, monitors, seed=length.seed, say=say, freezer=freezer, stream=length.stream)
    wait_until(lambda: arena.venue.state_report()["orders"], seconds=180, what="the first order at the venue")
    stops = (300 if length.is_long else 4) if length.stops is None else length.stops
    say(
        f"chaos: seed {length.seed} (--chaos-seed {length.seed} repeats it), {length.kills} kills wanted,"
        f" stream {length.stream}"
    )
    began = time.monotonic()

    storm.rage(
        kills=length.kills,
        stops=stops,
        seconds=length.seconds,
        pause=length.pause,
        engage_every=50 if length.is_long else 8,
    )
    storm_seconds, began = time.monotonic() - began, time.monotonic()
    try:
        come_to_rest(arena, patient=length.is_long)
    finally:
        say(f"chaos: {time.monotonic() - began:.0f} s until rest")
        findings = judged_at_rest(arena, monitors)
        _report(storm, monitors, storm_seconds, findings.all(), say)
        _keep_logs(arena)

    assert findings.all() == []
    assert (restamped := arena.manage("shell", "-v", "0", "-c", RESTAMP)).stdout.strip() == "0", restamped
    assert storm.exceeded == []
    assert storm.after_engage == []
    assert storm.total >= min(length.kills, 500 if length.is_long else 12)
    assert freezer.total >= stops
    assert storm.samples > 0


def _report(storm: Storm, monitors: Monitors, seconds: float, findings: list[str], say: Say) -> None:
    orders, arena = monitors.venue_orders(), storm.arena
    cycles = dict(arena.rows("SELECT status, count(*) FROM cycles GROUP BY status"))
    count = {
        name: sum(words.startswith(f"{name}:") for words in findings)
        for name in ("doubled", "lost", "leaked")
    }
    say(f"chaos: {storm.total} kills in {seconds:.0f} s: {dict(storm.kills.most_common())}")
    freezer = storm.freezer
    say(
        f"chaos: {freezer.total} stops: {dict(freezer.stopped.most_common())}, {len(freezer.steps)} steps of the clocks"
    )
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
