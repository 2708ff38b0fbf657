"""One ``up`` per state folder."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from orchestrator_project.runtime.engines import prepare_home
from orchestrator_project.runtime.engines.locks import open_lock, try_exclusive

LOCK = "up.lock"
CLEANING_SECONDS = 10.0
POLL_SECONDS = 0.1


class AlreadyRunningError(Exception):
    """Another ``up`` runs on the same state folder."""


@contextmanager
def only_one(home: Path) -> Iterator[int]:
    """Hold the lock of ``up`` on this state folder; yield its descriptor, for the supervisor.

    Waits while the warden of an ``up`` that was killed still ends its processes.

    Raises:
        AlreadyRunningError: with the other's pid and the remedy.
        EngineError: the state folder cannot be used.
    """
    home = prepare_home(home)
    descriptor = open_lock(home / LOCK)
    try:
        _take(descriptor, home)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def holder(home: Path) -> int | None:
    """Return the process of the ``up`` that runs on this state folder; None: none does."""
    path = home / LOCK
    if not path.is_file():
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if try_exclusive(descriptor):  # let go with the descriptor
            return None
        return _written(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _written(descriptor: int) -> int | None:
    pid = os.pread(descriptor, 32, 0).decode().strip()
    return int(pid) if pid and psutil.pid_exists(int(pid)) else None


def _take(descriptor: int, home: Path) -> None:
    deadline = time.monotonic() + CLEANING_SECONDS
    while not try_exclusive(descriptor):
        if pid := _written(descriptor):
            raise AlreadyRunningError(
                f"manage.py up already runs on {home} (process {pid}): stop it with Ctrl-C there or "
                f"`kill {pid}`, or set ORCHESTRATOR_HOME to another folder for a second one."
            )
        if time.monotonic() > deadline:
            raise AlreadyRunningError(
                f"An earlier manage.py up on {home} was killed and its processes have not ended yet: try "
                "again in a few seconds."
            )
        time.sleep(POLL_SECONDS)
