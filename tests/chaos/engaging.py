"""One who engages the switch in a process of his own, so that a test can say how long it took and end him.

``python -m tests.chaos.engaging WAY FOLDER [--flatten]`` loads everything, says so by the file ``ready``, waits for
the file ``go`` and writes ``done.json``. What is measured is the product's work alone, not the start of a process.
"""

import io
import json
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import requests

from tests import forked
from tests.chaos.stopping import is_stopped
from tests.waiting import wait_until

COMMAND, REST, WATCHDOG = "command", "rest", "watchdog"
WAYS = (COMMAND, REST, WATCHDOG)
LOADING_SECONDS = 60.0


@dataclass(slots=True)
class Engagement:
    """What became of one: moments of the machine's monotonic clock; ``returned`` None where it had not."""

    way: str
    flatten: bool
    began: float = 0.0
    returned: float | None = None
    report: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def took(self) -> float | None:
        """Seconds from the call to its return."""
        return None if self.returned is None else self.returned - self.began

    def words(self) -> str:
        """Say how it went."""
        took = "has not returned" if self.took is None else f"returned after {self.took:.3f} s"
        flatten = " --flatten" if self.flatten else ""
        error = f": {self.error[-400:]}" if self.error else ""
        return f"engage{flatten} by {self.way}, asked at {self.began:.3f}, {took}{error}"


class Engager:
    """A process that is ready to engage."""

    def __init__(self, way: str, folder: Path, *, env: dict[str, str], flatten: bool, url: str = "") -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.engagement = Engagement(way, flatten)
        argv = [sys.executable, "-m", "tests.chaos.engaging", way, str(folder), url, str(flatten)]
        self._process: ForkServerProcess = forked.start(argv, env=env, log=folder / "log")
        wait_until((folder / "ready").exists, seconds=LOADING_SECONDS, what=f"an engager: {self._log()}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    def begin(self) -> None:
        """Let it engage now."""
        (self._folder / "go").touch()
        wait_until((self._folder / "began").exists, what="the engager begins")
        self.engagement.began = float((self._folder / "began").read_text())

    def is_done(self) -> bool:
        """Tell whether it has ended."""
        return not self._process.is_alive()

    def wait(self, seconds: float) -> Engagement:
        """Return what became of it within ``seconds`` of its beginning; it is not ended by this."""
        left = self.engagement.began + seconds - time.monotonic()
        self._process.join(max(left, 0))
        self._read()
        return self.engagement

    def end(self) -> None:
        """Kill it if it still runs: an operator who gives up."""
        if self._process.is_alive():
            assert not is_stopped(self.pid)
            self._process.kill()
        self._process.join(120)

    def _read(self) -> None:
        done = self._folder / "done.json"
        if not done.exists():
            if self.is_done():
                self.engagement.error = f"ended without a word: {self._log()}"
            return
        told = json.loads(done.read_text())
        self.engagement.returned = told["returned"]
        self.engagement.report, self.engagement.error = told["report"], told["error"]

    def _log(self) -> str:
        path = self._folder / "log"
        return path.read_text(errors="replace")[-2_000:] if path.exists() else ""


def _engage(way: str, url: str, *, flatten: bool) -> dict[str, Any]:
    """Do what an operator or the watchdog does; return its report."""
    if way == REST:
        body = {"action": "engage", "reason": "chaos", "flatten": flatten}
        address, _, token = url.partition(" ")
        headers = {"Authorization": f"Token {token}"}
        reply = requests.post(f"{address}/api/kill-switch", json=body, headers=headers, timeout=120)
        reply.raise_for_status()
        return dict(reply.json())
    if way == WATCHDOG:
        from trading.safety import watchdog

        kind = watchdog.Critical.COMPENSATION_FAILED
        new = watchdog.report_critical(kind=kind, subject=f"chaos-{time.monotonic()}", detail="chaos")
        return {"new": new}
    from django.core.management import call_command

    words = io.StringIO()
    options = ["--flatten"] if flatten else []
    with suppress(SystemExit):  # there are problems: said in the report
        call_command("kill_switch", "engage", "--reason", "chaos", "--json", *options, stdout=words)
    return dict(json.loads(words.getvalue()))


def main(way: str, folder: Path, url: str, *, flatten: bool) -> None:
    """Load, wait for the word, engage, and write down what came of it."""
    import django

    django.setup()
    from django.db import connection

    connection.ensure_connection()
    (folder / "ready").touch()
    while not (folder / "go").exists():
        time.sleep(0.002)
    report, error = {}, ""
    began = time.monotonic()
    (folder / "began.part").write_text(repr(began))
    (folder / "began.part").rename(folder / "began")
    try:
        report = _engage(way, url, flatten=flatten)
    except Exception:  # noqa: BLE001 - whatever it is, the test says it
        error = traceback.format_exc()
    done = {"returned": time.monotonic(), "report": report, "error": error}
    (folder / "part").write_text(json.dumps(done, default=str))
    (folder / "part").rename(folder / "done.json")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], flatten=sys.argv[4] == "True")
