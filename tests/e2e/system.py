"""The real processes of a running system, on the test's database, queue and venue."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, ClassVar

import psutil
import psycopg2
from django.conf import settings
from django.db import connection

from orchestrator_project.runtime.processes import process_specs
from tests import forked
from tests.waiting import wait_until

WITHOUT = frozenset({"beat", "web", "relay", "consumer", "evaluator"})  # a test starts its cycles itself


class System:
    """Worker, analyst, sweeper and listener as processes of their own.

    ``home`` holds the venue's address and the logs; ``variables`` are set in the processes' environment;
    ``also`` are left out otherwise, and are started by ``start_one`` alone; the web serves on ``port``;
    ``is_loaded``: see ``tests.forked``.
    """

    started: ClassVar[list["System"]] = []

    def __init__(
        self,
        home: Path,
        *,
        workers: int = 2,
        variables: Mapping[str, str] | None = None,
        also: frozenset[str] = frozenset(),
        port: int = 1,
        is_loaded: bool = True,
    ) -> None:
        self.home = home
        self._variables = dict(variables or {})
        self._specs = {
            spec.name: spec
            for spec in process_specs(home=home, port=port, workers=workers, venue=None)
            if spec.name not in WITHOUT - also
        }
        self._also, self._is_loaded = also, is_loaded
        self._processes: dict[str, ForkServerProcess] = {}

    def start(self) -> None:
        """Start all processes and wait until both workers take tasks."""
        for name in self._specs.keys() - self._also:
            self.start_one(name)
        for name in ("worker", "io_worker", "analyst"):
            wait_until(
                lambda name=name: "ready." in self.log(name),
                seconds=180,
                what=f"{name} ready: {self.log(name)}",
            )

    def start_one(self, name: str) -> None:
        """Start one process (again)."""
        if self not in self.started:
            self.started.append(self)
        spec = self._specs[name]
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        env = environment() | self._variables
        self._processes[name] = forked.start(spec.argv, env=env, log=spec.log, is_loaded=self._is_loaded)

    def revive(self) -> None:
        """Start again what has ended by itself, as ``up`` does."""
        for name, process in list(self._processes.items()):
            if not process.is_alive():
                self.start_one(name)

    def stop(self) -> None:
        """End everything, children included."""
        for name in list(self._processes):
            self.kill(name)
        if self in self.started:
            self.started.remove(self)

    def kill(self, name: str) -> None:
        """SIGKILL a process and all its children."""
        process = self._processes.pop(name)
        for member in self._children(process):
            member.send_signal(signal.SIGKILL)
        process.kill()
        process.join(120)

    def kill_child(self, name: str, *, number: int = 0) -> None:
        """SIGKILL one pool child of a worker, once it has so many."""

        def has_it() -> list[psutil.Process]:
            children = self._children(self._processes[name])
            return children if len(children) > number else []

        wait_until(has_it, what=f"{name} has a child")[number].send_signal(signal.SIGKILL)

    def processes(self, name: str) -> list[psutil.Process]:
        """Return a process and its children, of which some may be gone when they are looked at."""
        running = self._processes[name]
        return [psutil.Process(running.pid), *self._children(running)]

    @property
    def names(self) -> tuple[str, ...]:
        """The processes it starts."""
        return tuple(self._specs)

    def log(self, name: str) -> str:
        """Return what a process has written."""
        path = self._specs[name].log
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the JSON log lines of an event, of all processes."""
        found = []
        for name in self._specs:
            for text in self.log(name).splitlines():
                if f'"event": "{event}"' in text:
                    found.append(json.loads(text))
        return found

    def _children(self, process: ForkServerProcess) -> list[psutil.Process]:
        try:
            return psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def environment() -> dict[str, str]:
    """Return the environment of a process on the test's database."""
    url = f"postgresql://{connection.settings_dict['USER']}:{connection.settings_dict['PASSWORD']}@"
    host = connection.settings_dict["OPTIONS"].get("host")
    name = connection.settings_dict["NAME"]
    if host:
        url += f"/{name}?host={host}"
    else:
        port = connection.settings_dict["PORT"] or 5432
        url += f"{connection.settings_dict['HOST']}:{port}/{name}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": settings.REDIS_URL,
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def held(statement: str) -> Iterator[None]:
    """Hold a lock of another session while the block runs."""
    session = psycopg2.connect(environment()["DATABASE_URL"])
    try:
        with session.cursor() as cursor:
            cursor.execute(statement)
        yield
    finally:
        session.close()


def manage(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a management command as a user would, on the test's database."""
    return forked.run([sys.executable, "manage.py", *arguments], env=environment(), seconds=timeout)


def run_cycle_json(*arguments: str) -> dict[str, Any]:
    """Run ``run_cycle --json`` and return its one object."""
    done = manage("run_cycle", "--json", *arguments)
    assert done.stdout.strip(), f"nothing printed, exit {done.returncode}: {done.stderr}"
    return dict(json.loads(done.stdout))
