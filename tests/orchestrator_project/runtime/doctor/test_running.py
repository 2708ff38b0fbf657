"""The doctor says what the running system has, not what its own shell has."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator_project.environment import load_environment
from orchestrator_project.runtime.doctor import configuration
from orchestrator_project.runtime.doctor.running import environment
from tests.paths import ROOT

HOLD = """
import sys
from pathlib import Path
from typing import Any
from orchestrator_project.runtime.supervisor.lock import only_one
with only_one(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.read()
"""


@contextmanager
def up(home: Path, **names: str) -> Iterator[int]:
    """Have a process hold the lock of ``up`` on a state folder, in an environment of its own."""
    command = [sys.executable, "-c", HOLD, str(home)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **names}
    with subprocess.Popen(command, cwd=ROOT, env=env, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        yield process.pid
        process.stdin.close()
        process.wait(60)


@pytest.fixture
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ENVIRONMENT = load_environment({"ORCHESTRATOR_HOME": str(tmp_path)})
    return tmp_path


def test_running_systems_environment_is_told_and_what_differs_here(home: Path) -> None:
    with up(
        home, ORCHESTRATOR_HOME=str(home), ORCHESTRATOR_MODE="semi_auto", FINNHUB_API_KEY="k-0123456"
    ) as pid:
        answer = environment()
        told = configuration._environment()

    assert answer.status == "warning"
    assert answer.found.startswith(f"of manage.py up, process {pid}; this shell has another")
    assert "ORCHESTRATOR_MODE" in answer.found
    assert "FINNHUB_API_KEY" in answer.found
    assert (told["ORCHESTRATOR_MODE"], told["FINNHUB_API_KEY"]) == ("semi_auto", "***")


def test_same_environment_is_fine(home: Path) -> None:
    with up(home, ORCHESTRATOR_HOME=str(home)):
        assert environment().status == "ok"


def test_without_a_running_system_it_is_this_shells(home: Path) -> None:
    assert (environment().status, "no `manage.py up` runs" in environment().found) == ("off", True)
    with up(home, ORCHESTRATOR_HOME=str(home)):
        pass

    assert environment().status == "off"
    assert configuration._environment()["ORCHESTRATOR_MODE"] == "manual"
