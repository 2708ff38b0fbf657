"""The processes of a running system: forks but for the venue, small, back when killed, and gone with their parent."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_up import STOP_SECONDS, Up, run_cycle, started_cycle
from tests.memory import KILOBYTE, proportional_kilobytes
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
]
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only there the kernel tells what is shared")
ENGINES = ("postgres", "valkey-server", "sh")
MOST_MEGABYTES = 700
STARTED = re.compile("cycle started")
VENUE = "connectors.venue"
PROCESSES = {
    "venue",
    "worker",
    "io_worker",
    "analyst",
    "beat",
    "sweeper",
    "listener",
    "relay",
    "consumer",
    "evaluator",
    "web",
    "follow",
}


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """One system for these tests: it lives through what is done to it."""
    with (
        tempfile.TemporaryDirectory(prefix="up-", dir="/tmp") as folder,
        closing(Up(Path(folder) / "home", "--workers", "2")) as started,
    ):
        yield started


@needs_linux
def test_all_processes_but_the_engines_are_small_after_a_cycle(up: Up) -> None:
    up.wait_for(r"cycle completed in .*: 140 decisions", seconds=300)

    ours = [process for process in up.processes() if process.name() not in ENGINES]
    sizes = {process.pid: proportional_kilobytes(process.pid) / KILOBYTE for process in ours}

    names = {_name(process) for process in ours}
    assert names >= PROCESSES, "each is a process of its own, and called by its name"
    assert sum(sizes.values()) <= MOST_MEGABYTES, {_name(p): round(sizes[p.pid]) for p in ours}


@needs_linux
def test_every_process_that_is_killed_is_started_again_and_trades_on(up: Up) -> None:
    up.wait_for(r"cycle completed", seconds=300)
    before = _children(up)

    for process in before.values():
        process.kill()

    wait_until(
        lambda: _children(up).keys() >= PROCESSES and not set(_children(up).values()) & set(before.values()),
        seconds=200,
        what="all are back",
    )
    assert wait_until(lambda: _completes(up), seconds=200, what="a cycle, once the workers answer")
    assert "Traceback" not in up.text


def test_kill_9_of_up_leaves_no_process_and_the_next_start_works(up: Up) -> None:
    """The last of these tests: it ends the system in the middle of a cycle."""
    up.wait_for(r"cycle completed", seconds=300)
    before = len(STARTED.findall(up.text))
    with started_cycle(up.home):
        wait_until(lambda: len(STARTED.findall(up.text)) > before, seconds=200, what="another cycle")
        up.process.kill()
    up.process.wait(STOP_SECONDS)
    wait_until(lambda: up.processes() == [], seconds=STOP_SECONDS, what=f"the end of {up.processes()}")

    again = Up(up.home)
    try:
        again.wait_for(r"cycle (completed|aborted)", seconds=200)
    finally:
        again.close()


def _children(up: Up) -> dict[str, psutil.Process]:
    """Return the processes of the supervisor by name, save the warden, which is a program of its own."""
    supervisor = psutil.Process(up.process.pid)
    named = {_name(child): child for child in supervisor.children()}
    return {name: child for name, child in named.items() if name in PROCESSES}


def _completes(up: Up) -> bool:
    try:
        return run_cycle(up.home).get("status") == "completed"
    except (ValueError, subprocess.TimeoutExpired):  # no worker answers yet: nothing is printed
        return False


def _name(process: psutil.Process) -> str:
    """Return a process's name; none of one that has ended since it was listed. The venue is a program, and no fork."""
    try:
        command = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        return "venue" if VENUE in command else Path(f"/proc/{process.pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
