"""A running system is small: its processes share what they have loaded."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.e2e.test_up import Up
from tests.memory import KILOBYTE, proportional_kilobytes

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="only there the kernel tells what is shared"),
]
ENGINES = ("postgres", "valkey-server", "sh")
MOST_MEGABYTES = 700
PROCESSES = {
    "venue",
    "worker",
    "analyst",
    "beat",
    "sweeper",
    "listener",
    "relay",
    "consumer",
    "web",
    "follow",
}


@pytest.fixture
def up() -> Iterator[Up]:
    with (
        tempfile.TemporaryDirectory(prefix="up-", dir="/tmp") as folder,
        closing(Up(Path(folder) / "home", "--workers", "2")) as started,
    ):
        yield started


def test_all_processes_but_the_engines_are_small_after_a_cycle(up: Up) -> None:
    up.wait_for(r"cycle completed in .*: 140 decisions", seconds=300)

    ours = [process for process in up.processes() if process.name() not in ENGINES]
    sizes = {process.pid: proportional_kilobytes(process.pid) / KILOBYTE for process in ours}

    names = {_comm(process) for process in ours}
    assert names >= PROCESSES, "each is a process of its own, and called by its name"
    assert sum(sizes.values()) <= MOST_MEGABYTES, {_comm(p): round(sizes[p.pid]) for p in ours}


def _comm(process: psutil.Process) -> str:
    return Path(f"/proc/{process.pid}/comm").read_text().strip()
