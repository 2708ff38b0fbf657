"""The supervisor: runs a list of processes until it is told to stop, then ends them all in time."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from orchestrator_project.runtime.supervisor import identity, warden
from orchestrator_project.runtime.supervisor.child import Child, ProcessSpec, Timing
from orchestrator_project.runtime.supervisor.logs import LogPump

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WARDEN_SECONDS = 1.0
PROJECT_FOLDER = Path(__file__).resolve().parents[3]


class Supervisor:
    """Processes that are kept running; the first stop signal ends them, a second one at once.

    It has one thread, because it forks.

    Args:
        specs: started in this order, in the supervisor's own process group.
        on_line: told each event in one line.
        lock: descriptor of ``only_one``; kept locked until nothing is left, even after kill -9.
        after_kill: command that the warden runs in the project folder after a kill -9 of the supervisor,
            when its processes are gone; for what only the supervisor would have done.
        timing: pauses and deadlines; the defaults stop within 8 s.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        on_line: Callable[[str], None],
        *,
        lock: int | None = None,
        after_kill: Sequence[str] = (),
        timing: Timing | None = None,
    ) -> None:
        self._timing = timing or Timing()
        self._mark = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._on_line: Callable[[str], None] | None = on_line
        self._pump = LogPump()
        area = _area(self._mark, specs)
        self._children = [
            Child(spec, self._mark, self._timing, self._say, pump=self._pump, area=area) for spec in specs
        ]
        self._lock = lock
        self._after_kill = after_kill
        self._warden: subprocess.Popen[bytes] | None = None
        self._stops = 0
        self._has_run = False

    @contextlib.contextmanager
    def started_ahead(self, name: str) -> Iterator[None]:
        """Have one process start already, if there is one of this name; ``run`` within the block starts the others.

        Nothing is left where the block raises.
        """
        try:
            self._keep_warden()
            for child in self._children:
                if child.spec.name == name:
                    child.tick(time.monotonic())
            yield
        except BaseException:
            if not self._has_run:
                self._stop_all()
            raise

    def run(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP, ``stop`` or a refusal; afterwards no process is left.

        Call it in the main thread: signal handlers can be set nowhere else.
        """
        self._has_run = True
        with self._stop_signals():
            try:
                while not self._stops:
                    self._keep_warden()
                    for child in self._children:
                        child.tick(time.monotonic())
                    if self.refused() is not None:
                        break
                    self._pump.run(self._timing.poll_interval)
            finally:
                self._stop_all()
                self._pump.close()

    def refused(self) -> ProcessSpec | None:
        """Return the process that ended with its refusal code, None while there is none."""
        return next((child.spec for child in self._children if child.has_refused), None)

    def stop(self) -> None:
        """Stop as a signal would; a second call hurries."""
        self._stops += 1

    def _say(self, line: str) -> None:
        if self._on_line is None:
            return
        try:
            self._on_line(line)
        except (OSError, ValueError):  # the terminal is gone: stopping matters more than saying so
            self._on_line = None

    @contextlib.contextmanager
    def _stop_signals(self) -> Iterator[None]:
        def note(_number: int, _frame: FrameType | None) -> None:
            self._stops += 1

        # nohup has SIGHUP ignored, and means it.
        ignored = {number for number in (signal.SIGHUP,) if signal.getsignal(number) == signal.SIG_IGN}
        before = {number: signal.signal(number, note) for number in STOP_SIGNALS if number not in ignored}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _keep_warden(self) -> None:
        if self._warden is not None and self._warden.poll() is None:
            return
        self._close_warden()
        self._warden = subprocess.Popen(  # noqa: S603  (our own interpreter and file)
            [sys.executable, "-I", warden.__file__, self._mark, str(self._timing.grace), *self._after_kill],
            cwd=PROJECT_FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if self._lock is None else (self._lock,),
        )

    def _close_warden(self) -> None:
        if self._warden is None:
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._warden.communicate(warden.FAREWELL, timeout=WARDEN_SECONDS)  # also ends its input

    def _stop_all(self) -> None:
        running = [child for child in self._children if child.is_running()]
        self._say("Stopping; Ctrl-C once more stops at once.")
        stops = self._stops
        for child in running:
            child.terminate()
        deadline = time.monotonic() + self._timing.grace
        while time.monotonic() < deadline and self._stops == stops and self._somebody_runs():
            self._pump.run(self._timing.poll_interval)
        late = [child.spec.name for child in self._children if child.is_running()]
        if late:
            self._say(f"Not ended in time, killed: {', '.join(late)}")
        if not warden.kill_marked(self._mark):
            pids = ", ".join(str(process.pid) for process in warden.marked(self._mark))
            self._say(f"These processes do not end: {pids}")
        for child in self._children:
            if child.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired, TimeoutError):  # it was named above
                    child.process.wait(timeout=WARDEN_SECONDS)
        self._close_warden()

    def _somebody_runs(self) -> bool:
        return any(child.is_running() for child in self._children) or bool(warden.marked(self._mark))


def _area(mark: str, specs: Sequence[ProcessSpec]) -> identity.Area | None:
    """Return where forks show who they are; None where nothing is forked, or the system cannot tell forks apart."""
    names = [spec.name for spec in specs if spec.main is not None]
    if not names:
        return None
    needed = len(f"{warden.MARK}={mark}.{warden.NAME_MARK}={max(names, key=len)}..")
    try:
        return identity.own_area(needed)
    except identity.NoIdentityError:
        return None
