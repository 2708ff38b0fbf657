"""In a running system litellm is in the analyst's child alone."""

import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.system import System, run_cycle_json
from tests.waiting import wait_until

TRACE = "_tiktoken"  # a compiled library that litellm brings and nobody else loads

pytestmark = [pytest.mark.system, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@pytest.fixture
def is_loaded() -> bool:
    """Each process loads by itself what it needs."""
    return False


def has_library(process: psutil.Process) -> bool:
    return TRACE in Path(f"/proc/{process.pid}/maps").read_text()


def test_only_the_analysts_child_loads_the_model_library(system: System) -> None:
    parent, child = system.processes("analyst")
    wait_until(lambda: has_library(child), what="it is loaded before a cycle waits for it")
    assert run_cycle_json()["status"] == "completed"

    others = [each for name in ("worker", "sweeper", "listener") for each in system.processes(name)]

    assert has_library(child)
    assert [each.pid for each in (parent, *others) if has_library(each)] == []
    assert len(others) == 5
