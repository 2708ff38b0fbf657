"""Processes that are stopped, not killed: SIGSTOP to whole trees, and SIGCONT for all of them at the end."""

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from tests.waiting import wait_until


@dataclass(slots=True)
class Stops:
    """What stands still at the moment, and a line for each stop: who, when, for how long."""

    story: list[str] = field(default_factory=list)
    count: int = 0
    _standing: dict[int, tuple[psutil.Process, str, float]] = field(default_factory=dict)

    def stop(self, name: str, processes: Iterable[psutil.Process]) -> int:
        """Stop these processes, the parent first so that it starts no other; return how many were."""
        stopped = 0
        for process in processes:
            if process.pid in self._standing or not _send(process, signal.SIGSTOP):
                continue
            self._standing[process.pid] = (process, name, time.monotonic())
            stopped += 1
        self.count += stopped
        return stopped

    def go_on(self, name: str | None = None) -> None:
        """Continue all that stand still, or those of a name."""
        for pid, (process, whose, since) in list(self._standing.items()):
            if name not in (None, whose):
                continue
            del self._standing[pid]
            outcome = "continued" if _send(process, signal.SIGCONT) else "ended meanwhile"
            self.story.append(
                f"{whose} (pid {pid}) stopped at {since:.3f} for {time.monotonic() - since:.1f} s, {outcome}"
            )

    @property
    def standing(self) -> list[str]:
        """Who stands still now."""
        return [f"{name} (pid {pid})" for pid, (_, name, _) in self._standing.items()]


@contextmanager
def stops() -> Iterator[Stops]:
    """Give stops whose processes all go on at the end of the block, however it ends."""
    made = Stops()
    try:
        yield made
    finally:
        made.go_on()


def is_stopped(pid: int) -> bool:
    """Tell whether a process stands still; one that ended does not."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def wait_stopped(pid: int, *, seconds: float = 60) -> None:
    """Wait until the kernel has stopped a process."""
    wait_until(lambda: is_stopped(pid), seconds=seconds, what=f"pid {pid} stands still")


def _send(process: psutil.Process, number: signal.Signals) -> bool:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True
