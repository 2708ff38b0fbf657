"""Relay and consumers as processes of their own, to be killed and started again."""

import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests import forked
from tests.e2e.system import environment

COMMANDS = {
    "relay": ("manage.py", "relay_events", "--skip-checks"),
    "consumer": ("manage.py", "consume_events", "--skip-checks"),
    "recorder": ("-m", "tests.trading.events.recorder"),
}


class Processes:
    """What was started here; each writes to a log of its own in ``folder``; ``variables`` are set in each."""

    def __init__(self, folder: Path, events_url: str, *, variables: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = environment() | {"EVENTS_URL": events_url} | dict(variables or {})
        self._running: dict[str, ForkServerProcess] = {}

    def start(self, *names: str) -> None:
        """Start processes, again if they were killed."""
        for name in names:
            argv, log = [sys.executable, *COMMANDS[name]], self._folder / f"{name}.log"
            self._running[name] = forked.start(argv, env=self._environment, log=log)

    def kill(self, name: str) -> None:
        """SIGKILL a process and wait until it is gone."""
        process = self._running[name]
        process.kill()
        process.join(120)

    def stop(self) -> None:
        """Kill everything."""
        for name in self._running:
            self.kill(name)

    def log(self, name: str) -> str:
        """Return what a process has written."""
        path = self._folder / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""
