"""A whole running system for the storm: engines, venue and processes of its own, all of which may be killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
import psycopg2
import redis
from celery import Celery

from orchestrator_project.runtime.engines import EngineError, ensure_running, joined_engines, processes
from orchestrator_project.runtime.engines.state import EngineState, read_state
from orchestrator_project.runtime.processes import process_specs
from orchestrator_project.runtime.supervisor import ProcessSpec
from tests import forked
from tests.chaos.stepping import BROKER, DATABASE, MACHINE, SteppedClock, clocks
from tests.paths import quick_place
from tests.ports import free_port
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.domain.guards.rules import ALL_OFF

WATCH_SECONDS = 0.3
POSTGRES, VALKEY = "postgres", "valkey"
ENGINES = (POSTGRES, VALKEY)
# Small orders and many, so that a storm meets some in every step; the limits still bind.
LIMITS = (
    "INSERT INTO risk_limits (version, max_position_percent, max_exposure_percent, max_positions,"
    " max_daily_loss_percent, author, note, created_at) VALUES (2, 2.5, 25, 24, 20, 'chaos', 'small', now())"
)
SIZE = "UPDATE strategies SET size_percent = 1.2"
SETTINGS = {
    "confidence_threshold": "0.6",
    "exit_confidence_threshold": "0.6",
    "fetch_timeout": "12",
    "cycle_deadline": "100",
    "cycle_interval": "10",
    "saga_timeout": "30",
    "order_timeout": "3",
    "retry_base": "0.2",
    "price_max_age": "600",
    "max_stocks": "60",
    "max_coins": "12",
    **ALL_OFF,  # a storm trades as fast as it can
}


class Arena:
    """The processes of ``manage.py up``, each restarted when it dies, and the engines beneath them.

    Args:
        home: an empty folder of its own.
        urls: of the engines, which the caller has joined in ``home``.
        clock: the wall clock that the processes see, so that it can be stepped; None: the machine's.
        chat: the address of the language model; None: the venue's own.
    """

    def __init__(
        self,
        home: Path,
        urls: tuple[str, str],
        venue: VenueProcess,
        *,
        workers: int = 2,
        clock: SteppedClock | None = None,
        chat: str | None = None,
    ) -> None:
        self.home = home
        self.port = free_port()
        self._chat, self._model = (chat, "openai/night") if chat else (f"{venue.url}/ai/v1", "openai/venue")
        self._clock = clock
        self.database_url, self.redis_url = urls
        self.venue = venue
        self.revivals = 0
        self.wall: dict[str, SteppedClock] = {}  # of each group of processes, where it can be stepped
        self._specs = {
            spec.name: replace(spec, env=self.environment())
            for spec in process_specs(home=home, port=self.port, workers=workers, venue=None)
        }
        self._running: dict[str, ForkServerProcess] = {}
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The processes, without the engines."""
        return tuple(self._specs)

    def environment(self) -> dict[str, str]:
        """Return the environment of every process."""
        ours = {
            "ORCHESTRATOR_HOME": str(self.home),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "ORCHESTRATOR_MODE": "autonomous",
            "AI_MODELS": self._model,
            "AI_API_BASE": self._chat,
            "AI_API_KEY": "none",
            "PYTHONUNBUFFERED": "1",
        }
        return {**os.environ, **ours, **(self._clock.environment() if self._clock else {})}

    def start(self) -> None:
        """Prepare the database, start everything, and wait until both workers take tasks."""
        (self.home / "venue.json").write_text(
            json.dumps({"url": self.venue.url, "pid": 0, "world": "synthetic"})
        )
        done = self.manage("prepare")
        assert done.returncode == 0, f"prepare: {done.stderr[-2000:]}"
        for name, value in SETTINGS.items():
            self.execute("UPDATE runtime_settings SET value = %s WHERE name = %s", value, name)
        self.execute("UPDATE django_celery_beat_intervalschedule SET every = 10 WHERE every = 60")
        self.execute(LIMITS)
        self.execute(SIZE)
        for name in self._specs:
            self._start_one(name)
        self._watcher.start()
        for name in ("worker", "io_worker", "analyst"):
            wait_until(lambda name=name: "ready." in self.log(name), seconds=180, what=f"{name} ready")  # type: ignore[misc]  # a default binds the loop's name

    def stop(self) -> None:
        """Kill everything that was started here, children included; the engines are the caller's."""
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join(120)
        with self._guard:
            for name in list(self._running):
                self._kill_tree(self._running.pop(name))

    def kill(self, name: str) -> bool:
        """SIGKILL a process with its children, or an engine; return whether there was one to kill."""
        if name in ENGINES:
            return self._kill_engine(name)
        with self._guard:
            process = self._running.get(name)
            if process is None or not process.is_alive():
                return False
            self._kill_tree(process)
            self._start_one(name)
        return True

    def kill_child(self, name: str, number: int) -> bool:
        """SIGKILL one pool child of a worker; return whether it had one."""
        with self._guard:
            process = self._running.get(name)
            children = _children(process) if process is not None else []
            if not children:
                return False
            _kill(children[number % len(children)])
        return True

    def tree(self, name: str) -> list[psutil.Process]:
        """Return a process with its children, or an engine with its own; empty where it does not run."""
        if name in ENGINES:
            state = read_state(self.home)
            record = state.postgres if name == POSTGRES else state.valkey
            return _tree(record.pid) if record is not None else []
        with self._guard:
            process = self._running.get(name)
            return _tree(process.pid) if process is not None else []

    def hold_all(self, names: tuple[str, ...]) -> None:
        """Kill these processes and start them again only when ``go_on`` is called with them."""
        with self._guard:
            for name in names:
                self._kill_tree(self._running.pop(name))

    def go_on(self, names: tuple[str, ...]) -> None:
        """Start processes that were held."""
        with self._guard:
            for name in names:
                self._start_one(name)

    def execute(self, statement: str, *values: Any) -> None:
        """Run one statement in a transaction of its own."""
        session = psycopg2.connect(self.database_url, connect_timeout=120)
        try:
            with session, session.cursor() as cursor:
                cursor.execute(statement, values or None)
        finally:
            session.close()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        session = psycopg2.connect(self.database_url, connect_timeout=120)
        try:
            with session, session.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall())
        finally:
            session.close()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command as an operator would."""
        return forked.run(
            [sys.executable, "manage.py", *arguments],
            env=self.environment(),
            seconds=600,  # a busy machine starts a command in a minute
        )

    def flush_queue(self) -> None:
        """Empty Valkey: every message is lost."""
        with redis.Redis.from_url(self.redis_url) as queue:
            queue.flushdb()

    def log(self, name: str) -> str:
        """Return what a process has written."""
        path = self._specs[name].log
        return path.read_text(errors="replace") if path.exists() else ""

    def _start_one(self, name: str) -> None:
        spec: ProcessSpec = self._specs[name]
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        self._running[name] = forked.start(spec.argv, env=spec.env, log=spec.log)

    def _watch(self) -> None:
        """Do what ``manage.py up`` does: engines and processes that died are started again."""
        while not self._closing.wait(WATCH_SECONDS):
            try:
                self.revivals += len(ensure_running(self.home))
            except EngineError:
                continue
            with self._guard:
                for name, process in list(self._running.items()):
                    if not process.is_alive():
                        self._start_one(name)

    def _kill_engine(self, name: str) -> bool:
        state: EngineState = read_state(self.home)
        record = state.postgres if name == POSTGRES else state.valkey
        if record is None or not psutil.pid_exists(record.pid):
            return False
        _kill(psutil.Process(record.pid))
        return True

    def _kill_tree(self, process: ForkServerProcess) -> None:
        for member in _children(process):
            _kill(member)
        process.kill()
        process.join(120)


def _children(process: ForkServerProcess) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@contextmanager
def opened_arena(*, workers: int, is_stepped: bool, chat: str | None = None, **venue: Any) -> Iterator[Arena]:
    """Give a system that runs, with engines and a venue of its own, and its assets known; end all of it.

    Args:
        is_stepped: each group of processes gets a wall clock that can be stepped; else there are none.
        chat: the address of the language model; None: the venue's own.
        venue: further options of the venue.
    """
    home = Path(tempfile.mkdtemp(prefix="chaos-", dir=quick_place()))
    home.chmod(0o755)  # the database's user reads its clock
    wall = clocks(home) if is_stepped else {}
    environments = {name: clock.environment() for name, clock in wall.items()}
    engine = processes.engine_environment() | environments.get(DATABASE, {})
    broker = environments.get(BROKER, {})
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, home, ignore_errors=True)
        ending.enter_context(patch.object(processes, "engine_environment", lambda: engine))
        urls = ending.enter_context(joined_engines(home))
        assert urls.database_url
        assert urls.redis_url
        market = VenueProcess(
            seed=11,
            speed=6,
            fill_latency=0.1,
            is_forked=not is_stepped,  # a clock that steps is loaded with the process
            before_start=lambda: os.environ.update(broker),
            **venue,
        )
        ending.enter_context(market)
        if is_stepped:
            ending.enter_context(forked.apart(environments[MACHINE]))
        addresses = (urls.database_url, urls.redis_url)
        arena = Arena(home, addresses, market, workers=workers, clock=wall.get(MACHINE), chat=chat)
        ending.callback(arena.stop)
        arena.start()
        list_assets(arena)
        arena.wall = wall
        yield arena


def list_assets(arena: Arena) -> None:
    """Have the assets listed by a maintenance cycle, asked for until it is not behind another."""
    listed = "SELECT 1 FROM assets LIMIT 1"
    asked = "SELECT 1 FROM cycles WHERE cycle_type = 'maintenance' AND status IN ('running', 'completed')"
    with Celery(broker=arena.redis_url, set_as_current=False) as client:

        def done() -> bool:
            if not arena.rows(asked):
                client.send_task("trading.start_cycle", ["maintenance"], queue="default", expires=2)
            return bool(arena.rows(listed))

        wait_until(done, seconds=180, what="the assets")


def _tree(pid: int | None) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return
