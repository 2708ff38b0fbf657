"""Locks between commands. flock is released by the kernel, however the holder ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator_project.runtime.engines.errors import EngineError
from orchestrator_project.runtime.engines.privileges import keep_owner

POLL_SECONDS = 0.02
START_LOCK_TIMEOUT_SECONDS = 90.0


def open_lock(path: Path) -> int:
    """Return a descriptor of the lock file, made private and not inherited by other programs."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    keep_owner(path)
    return descriptor


def try_exclusive(descriptor: int) -> bool:
    """Take the lock alone without waiting; False when somebody else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def starting_or_stopping(home: Path, timeout_seconds: float = START_LOCK_TIMEOUT_SECONDS) -> Iterator[None]:
    """Let one command at a time start or stop engines of this HOME.

    Raises:
        EngineError: another command holds the lock for longer than ``timeout_seconds``.
    """
    descriptor = open_lock(home / "engines.lock")
    try:
        deadline = time.monotonic() + timeout_seconds
        while not try_exclusive(descriptor):
            if time.monotonic() > deadline:
                raise EngineError(
                    f"Another command has been starting or stopping the engines in {home} for more than "
                    f"{timeout_seconds:.0f} s; end it and try again (its log: {home / 'logs'})."
                )
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


class Usership:
    """This process's share in the running engines, held until ``close`` or its death."""

    def __init__(self, home: Path) -> None:
        self._descriptor = open_lock(home / "engines.users")
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Tell whether nobody else uses the engines; only sound under ``starting_or_stopping``."""
        return try_exclusive(self._descriptor)

    def close(self) -> None:
        """Give the share up."""
        os.close(self._descriptor)
