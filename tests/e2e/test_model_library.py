"""In a running system litellm is in the analyst's child alone, and only where a language model is named."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from django.conf import settings

from tests.e2e.system import System, run_cycle_json
from tests.ports import free_port
from tests.waiting import wait_until
from trading.models import Strategy

TRACE = "_tiktoken"  # a compiled library that litellm brings and nobody else loads
OURS = ("worker", "io_worker", "analyst", "sweeper", "listener", "relay", "consumer", "web")
MOST_BYTES = 160 * 2**20

pytestmark = [pytest.mark.system, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@pytest.fixture
def whole_system(seeded: None) -> Iterator[System]:
    """All processes but beat, which would start cycles of its own; each loads by itself what it needs."""
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    also = frozenset({"relay", "consumer", "web"})
    system = System(home, also=also, port=free_port(), is_loaded=False)
    system.start()
    for name in also:
        system.start_one(name)
    yield system
    system.stop()
    shutil.rmtree(home, ignore_errors=True)


def has_library(process: psutil.Process) -> bool:
    """Tell whether a process has it loaded; one that is gone, or was just born and dies, has not."""
    try:
        return TRACE in Path(f"/proc/{process.pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def resident_bytes(process: psutil.Process) -> int:
    """Return what a process has in memory; 0 where it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def names_of(processes: list[psutil.Process]) -> list[str]:
    """Return the names of those that have it loaded."""
    return [f"{each!r}" for each in processes if has_library(each)]


def test_the_analysts_child_alone_loads_the_library_and_only_for_a_model_that_a_strategy_names(
    whole_system: System,
) -> None:
    """First no language model is named; then one is, and a child that starts loads it before a cycle waits for it."""
    report = run_cycle_json()

    assert report["status"] == "completed"
    processes = [each for name in OURS for each in whole_system.processes(name)]
    assert names_of(processes) == []
    children = wait_until(lambda: whole_system.processes("analyst")[1:], what="the analyst's child")
    assert max(map(resident_bytes, children)) <= MOST_BYTES

    Strategy.objects.filter(is_active=True).update(model_names=["openai/gpt-4o-mini"])
    whole_system.kill_child("analyst")

    def loaded() -> bool:
        return any(map(has_library, whole_system.processes("analyst")[1:]))

    wait_until(loaded, seconds=240, what="the new child loads the library")
    parent = whole_system.processes("analyst")[0]
    others = [each for name in OURS if name != "analyst" for each in whole_system.processes(name)]
    assert names_of([parent, *others]) == []
