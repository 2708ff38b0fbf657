"""`manage.py up` as its user sees it: two commands, a line per step, one Ctrl-C."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
import requests

from orchestrator_project.runtime.engines.state import read_state
from tests.paths import ROOT
from tests.ports import free_port
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(600),
]  # each waits for several starts, with deadlines of their own
# A busy machine takes several times what an idle one does: a start that is refused 20 s, a stop 3 s.
REFUSAL_SECONDS = 200
STOP_SECONDS = 60


class Up:
    """A running `manage.py up` in a process group of its own."""

    def __init__(self, home: Path, *arguments: str, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self._output = (home.parent / f"{home.name}.out").open("w+")
        keep = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port), *arguments],
            cwd=ROOT,
            env={**keep, "ORCHESTRATOR_HOME": str(home), "ORCHESTRATOR_MODE": "autonomous", **environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def text(self) -> str:
        """What was printed so far."""
        return Path(self._output.name).read_text()

    def wait_for(self, pattern: str, *, seconds: float = 120) -> "re.Match[str]":
        """Wait until a line matches."""
        return wait_until(
            lambda: re.search(pattern, self.text) or self._fail_if_ended(pattern),
            seconds=seconds,
            what=pattern,
        )

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to it, engines included."""
        return [p for p in psutil.process_iter() if _home_of(p) == str(self.home)]

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal sends SIGINT to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(STOP_SECONDS)

    def close(self) -> None:
        """End it whatever state it is in."""
        if self.process.poll() is None:
            self.interrupt()
        self._output.close()

    def _fail_if_ended(self, pattern: str) -> None:
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode} before {pattern!r}: {self.text}")


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("ORCHESTRATOR_HOME") or str(Path(process.cwd()).parent)
    except psutil.Error:
        return None


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="up-", dir="/tmp") as folder:
        yield Path(folder) / "home"


def _orders(home: Path) -> set[str]:
    state = read_state(home)
    assert state.postgres is not None
    with psycopg2.connect(state.postgres.url) as session, session.cursor() as cursor:
        cursor.execute("SELECT client_order_id FROM orders WHERE acknowledged_at IS NOT NULL")
        return {row[0] for row in cursor.fetchall()}


def run_cycle(home: Path) -> dict[str, object]:
    with started_cycle(home) as command:
        said, _ = command.communicate(timeout=120)
    return dict(json.loads(said))


@contextmanager
def started_cycle(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the command that starts a cycle and waits for its end; it is killed where the block ends before."""
    keep = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")}
    with subprocess.Popen(
        [sys.executable, "manage.py", "run_cycle", "--json"],
        cwd=ROOT,
        env={**keep, "ORCHESTRATOR_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            yield command
        finally:
            command.kill()


def _is_ready(port: int) -> bool:
    answer = requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=120)
    assert answer.status_code in (200, 503), answer.text
    return answer.ok


def test_up_trades_stops_without_a_trace_and_continues(home: Path) -> None:
    first = Up(home, "--workers", "2")
    try:
        first.wait_for(r"operator: admin, password \S{16,}")
        first.wait_for(r"mode:     autonomous")
        first.wait_for(r"market:   local venue, synthetic prices")
        first.wait_for(r"cycle completed in .*: 140 decisions", seconds=200)
        assert "rate limit is used up" not in first.text, (
            "a start and its first orders fit the broker's limit"
        )
        wait_until(lambda: _is_ready(first.port), what="everything a cycle needs answers", seconds=120)
        report = run_cycle(home)
        assert report["status"] == "completed"
        orders = _orders(home)
        first.interrupt()
        assert first.process.returncode == 0
        assert first.processes() == []
    finally:
        first.close()

    second = Up(home)
    try:
        second.wait_for(r"operator: as before")
        second.wait_for(r"cycle completed", seconds=200)
        assert orders <= _orders(home)
        assert ", password" not in second.text
        second.interrupt()
        assert second.processes() == []
    finally:
        second.close()


def test_a_taken_port_is_one_clear_sentence(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with closing(Up(home, "--port", str(port))) as up:
            assert up.process.wait(REFUSAL_SECONDS) == 2

            assert f"port {port} is taken: choose another with `manage.py up --port {port + 1}`" in up.text
            assert up.processes() == []


def test_unreadable_prices_stop_the_start_with_the_file_and_the_remedy(home: Path) -> None:
    data = home.parent / "prices"
    data.mkdir()
    (data / "broken.csv").write_text("symbol,when,what\nAAPL,now,1\n")

    with closing(Up(home, VENUE_DATA=str(data))) as up:
        assert up.process.wait(REFUSAL_SECONDS) == 2

        assert "broken.csv" in up.text.splitlines()[-1]
        assert up.processes() == []


def test_a_misspelt_name_stops_the_start(home: Path) -> None:
    with closing(Up(home, ORCHESTRATOR_MOD="autonomous")) as up:
        assert up.process.wait(REFUSAL_SECONDS) == 2

        assert (
            "ORCHESTRATOR_MOD: was '***', expected a name that this project knows; the nearest is" in up.text
        )
