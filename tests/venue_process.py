"""A local venue in a process of its own, for any test that needs the outside world over real HTTP."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import forked, measured
from tests.paths import ROOT, quick_place

_START_SECONDS = 120.0  # a measured one on a busy machine takes more than 30


class VenueProcess:
    """Start ``python -m connectors.venue`` on a free port and stop it at the end of the ``with`` block.

    Args:
        data: folder of CSV files; None: the synthetic market.
        state: folder of the state; None: a temporary one, removed at the end.
        before_start: called in the child process before the venue starts.
        is_measured: whether the coverage of the suite counts what it runs; it starts a second later.
        is_forked: for tests that fork a system anyway (tests/forked.py): it starts in a moment.
        options: further command-line options, e.g. ``speed=60``, ``fill_latency=0.01``, ``rate_limit=0``,
            ``start="2020-10-15T09:31"``. Unless given: ``rate_limit=0``, ``fill_latency=0.02``,
            ``partial_rate=0``.

    The clock can be held with ``clock(paused=True)`` and moved with ``clock(to="close")``.
    """

    def __init__(
        self,
        data: Path | str | None = None,
        *,
        seed: int = 7,
        state: Path | None = None,
        before_start: Callable[[], None] | None = None,
        is_measured: bool = False,
        is_forked: bool = False,
        **options: object,
    ) -> None:
        self._own_state = state is None
        self._before_start, self._is_forked = before_start, is_forked
        self._python = measured.python("connectors.venue", is_measured=is_measured)
        self.state = Path(tempfile.mkdtemp(prefix="venue-", dir=quick_place())) if state is None else state
        defaults: dict[str, object] = {"rate_limit": 0, "fill_latency": 0.02, "partial_rate": 0}
        chosen = {**defaults, "seed": seed, **options}
        if data is not None:
            chosen["data"] = data
        self._arguments = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
        self._address_file = self.state / "address.json"
        self._log = self.state / "venue.log"
        self._process: subprocess.Popen[bytes] | forked.Process | None = None
        self._port = 0
        self.url = ""

    def __enter__(self) -> "VenueProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._own_state:
            shutil.rmtree(self.state, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, None while the process runs."""
        assert self._process is not None
        return self._process.poll()

    @property
    def log(self) -> str:
        """What the venue wrote to stderr so far."""
        return self._log.read_text() if self._log.exists() else ""

    def start(self) -> None:
        """Start the process and wait until it is healthy."""
        self._address_file.unlink(missing_ok=True)
        command = [*self._python, f"--port={self._port}", f"--state={self.state}"]
        command += [f"--address-file={self._address_file}", *self._arguments]
        self._process = self._started(command)
        deadline = time.monotonic() + _START_SECONDS
        pause = 0.02
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the venue ended with {self._process.returncode}: {self.log}")
            if self._address_file.exists():
                self.url = json.loads(self._address_file.read_text())["url"]
                self._port = int(self.url.rpartition(":")[2])
                self.get("/venue/health")
                return
            try:
                self._process.wait(pause)
            except subprocess.TimeoutExpired:
                continue
        raise RuntimeError(f"the venue was not healthy within {_START_SECONDS} s: {self.log}")

    def _started(self, command: list[str]) -> subprocess.Popen[bytes] | forked.Process:
        if self._is_forked:
            return forked.Process(command, env=os.environ, log=self._log)
        with self._log.open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log, preexec_fn=self._before_start)

    def stop(self) -> int | None:
        """End the process in order (SIGTERM); return its exit code."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)  # a measured one still writes what it ran
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait(120)

    def kill(self) -> None:
        """End the process with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(120)

    def restart(self) -> None:
        """Start again on the same state and the same port, killing what still runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self.start()

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the venue's own controls and return the JSON reply, None where there is none."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method, headers=headers)  # noqa: S310 - our own loopback address
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - our own loopback address
                text = reply.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(text) if text else None

    def get(self, path: str) -> Any:
        """Return the JSON reply of a GET request."""
        return self.request("GET", path)

    def fault(self, **rule: object) -> str:
        """Add a fault rule (``kind=…, route=…, times=…``) and return its id."""
        return str(self.request("POST", "/venue/faults", rule)["id"])

    def faults(self) -> list[dict[str, Any]]:
        """Return the rules with their hits."""
        return list(self.get("/venue/faults"))

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self.request("DELETE", "/venue/faults")

    def clock(self, **command: object) -> dict[str, Any]:
        """Move the clock: ``paused``, ``speed``, ``to`` (time, open, close, end), ``advance`` (seconds)."""
        return dict(self.request("POST", "/venue/clock", command))

    def state_report(self) -> dict[str, Any]:
        """Return ``GET /venue/state``."""
        return dict(self.get("/venue/state"))

    def requests(self, **wanted: str) -> list[dict[str, Any]]:
        """Return the log of requests, by ``method``, ``path`` or ``client_order_id``; ``after`` the first so many."""
        query = urllib.parse.urlencode(wanted)
        return list(self.get(f"/venue/requests?{query}"))
