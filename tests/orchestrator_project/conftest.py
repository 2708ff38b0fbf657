"""Engine homes and users for the tests of this folder."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator_project.runtime.engines import postgres, valkey
from orchestrator_project.runtime.engines.processes import engine_processes
from orchestrator_project.runtime.engines.state import EngineState, read_state
from tests.paths import DISK, ROOT


@dataclass
class EngineUser:
    """Another process that joined the engines."""

    process: subprocess.Popen[str]

    def urls(self) -> list[str]:
        assert self.process.stdout is not None
        return list(json.loads(self.process.stdout.readline()))

    def leave(self) -> None:
        self.process.communicate(timeout=120)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=120)


@pytest.fixture
def home() -> Iterator[Path]:
    """A short state folder; whatever a test left running in it is stopped."""
    with state_folder(DISK) as folder:
        yield folder


@pytest.fixture
def join() -> Iterator[Callable[[Path], EngineUser]]:
    """Start users; those still there at the end are ended."""
    users: list[EngineUser] = []

    def start(home: Path) -> EngineUser:
        command = [sys.executable, "-m", "tests.orchestrator_project.runtime.engines.engine_user", str(home)]
        users.append(
            EngineUser(
                subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
        )
        return users[-1]

    yield start
    for user in users:
        user.kill()


@contextmanager
def state_folder(place: str) -> Iterator[Path]:
    """Make a short state folder there; whatever was left running in it is stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="home-", dir=place)).resolve()
    yield folder
    valkey.stop(folder)
    postgres.stop(folder)
    shutil.rmtree(folder)


def running_engines(home: Path) -> tuple[int, int]:
    """Return how many PostgreSQL and Valkey processes work in this home."""
    return (
        len(engine_processes(postgres.PROGRAM, home / "postgres")),
        len(engine_processes(valkey.PROGRAM, home / "valkey")),
    )


def state_pids(home: Path) -> tuple[int, int]:
    """Return the recorded pids of PostgreSQL and Valkey."""
    state: EngineState = read_state(home)
    assert state.postgres is not None
    assert state.valkey is not None
    return state.postgres.pid, state.valkey.pid
