"""Children that are forked from the supervisor, with all it has loaded, instead of executed.

A fork takes the one thread that calls it and a copy of everything else: a lock that another thread held stays locked
for ever, and a connection is answered to two. So the supervisor has one thread and no connection, and a fork is
refused where that is not so; descriptors save the three standard ones are closed.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from orchestrator_project.runtime.supervisor import identity

TASKS = Path("/proc/self/task")
DESCRIPTORS = Path("/proc/self/fd")
INPUT, OUTPUT, ERRORS = range(3)
WAIT_SECONDS = 0.01
FAILED = 1
INTERRUPTED = 128 + signal.SIGINT
TITLE = "orchestrator {name}"  # shown in place of the supervisor's command line, which is longer than any


class UnfitToForkError(Exception):
    """This process has more threads than the one that wants to fork."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a forked child runs, and as whom.

    Args:
        main: given ``argv``; returns at its end, or raises SystemExit.
        env: the child's whole environment, the most important names first.
        keeps_output: its output goes where the supervisor's goes, not to ``Forked.stdout``.
    """

    name: str
    argv: tuple[str, ...]
    main: Callable[[tuple[str, ...]], None]
    env: Mapping[str, str]
    keeps_output: bool = False


class Forked:
    """A forked child, with what the supervisor uses of ``subprocess.Popen``."""

    def __init__(self, pid: int, stdout: IO[bytes] | None) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = FAILED
            else:
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Return the exit code.

        Raises:
            TimeoutError: it still runs after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} runs on after {timeout} s")
            time.sleep(WAIT_SECONDS)
        return code

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def require_fitness() -> None:
    """Make sure that this process may fork.

    Raises:
        UnfitToForkError: other threads run in it, Python's or a library's own.
    """
    threads = len(list(TASKS.iterdir())) if TASKS.exists() else threading.active_count()
    if threads > 1:
        names = ", ".join(thread.name for thread in threading.enumerate())
        raise UnfitToForkError(f"{threads} threads run in the supervisor: {names}")


def flush_output() -> None:
    """Write what is buffered, so that no fork writes it a second time; a terminal that is gone keeps nobody."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def start(program: Program, area: identity.Area) -> Forked:
    """Fork a child that runs ``program``.

    Raises:
        UnfitToForkError: see ``require_fitness``.
        OSError: the system has no process or descriptor left.
    """
    require_fitness()
    reading, writing = os.pipe()
    flush_output()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if pid == 0:
        _live(program, area, writing)
    os.close(writing)
    if program.keeps_output:
        os.close(reading)
        return Forked(pid, None)
    return Forked(pid, os.fdopen(reading, "rb", buffering=0))


def _live(program: Program, area: identity.Area, writing: int) -> NoReturn:
    """Be the child until its end; nothing of the parent's stack is ever unwound here."""
    status = FAILED
    try:
        _forget_the_parent(None if program.keeps_output else writing)
        os.environ.clear()
        os.environ.update(program.env)
        identity.take_on(area, TITLE.format(name=program.name), program.name, program.env)
        program.main(program.argv)
        status = 0
    except SystemExit as end:
        status = _status(end)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BaseException:  # noqa: BLE001 - the last boundary of a process
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does at an end of its own
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        flush_output()
        os._exit(status)


def _forget_the_parent(output: int | None) -> None:
    """Give signals, descriptors and output the state that an executed program finds."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, INPUT)
    if output is not None:
        os.dup2(output, OUTPUT)
        os.dup2(output, ERRORS)
    for descriptor in [int(entry.name) for entry in DESCRIPTORS.iterdir()]:
        if descriptor > ERRORS:
            with contextlib.suppress(OSError):  # the one of the list itself
                os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream, as every command's


def _status(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    sys.stderr.write(f"{end.code}\n")
    return FAILED
