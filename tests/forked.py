"""Processes of a system that start in a moment: forked from a server that has loaded the libraries and the project.

Loading them takes longer than most tests. Each process reads the settings in its own environment (tests/anew.py).
Signals, sessions, children and memory are those of any other process; tests of the start itself (``up``,
``tests/orchestrator_project``) run the command lines as they are.
"""

import atexit
import functools
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from unittest.mock import patch

PRELOADED = ["tests.libraries", "tests.image"]


def start(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path, is_loaded: bool = True
) -> ForkServerProcess:
    """Start ``argv``, of this Python, in a session of its own and return the process.

    Args:
        env: its whole environment.
        log: where stdout and stderr are appended.
        is_loaded: False where it matters who loads which library, and when.
    """
    return _start(argv, env, (log, log), is_loaded)


class Process:
    """What ``start`` starts, with the part of ``subprocess.Popen`` that tests use."""

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        self._argv = argv
        self._process = start(argv, env=env, log=log)
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """Return its exit code.

        Raises:
            subprocess.TimeoutExpired: it has not ended.
        """
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(list(self._argv), seconds)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Signal it, where it still runs."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()


def run(
    argv: Sequence[str], *, env: Mapping[str, str], seconds: float, is_loaded: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command of this Python to its end; return its exit code and what it wrote, as ``subprocess.run`` does.

    Args:
        is_loaded: as for ``start``.

    Raises:
        subprocess.TimeoutExpired: it did not end within ``seconds``; it is killed.
    """
    with tempfile.TemporaryDirectory(prefix="ran-") as folder:
        stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
        process = _start(argv, env, (stdout, stderr), is_loaded)
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(argv, seconds, stdout.read_bytes(), stderr.read_bytes())
        return subprocess.CompletedProcess(argv, process.exitcode, stdout.read_text(), stderr.read_text())


def share() -> None:
    """Start the server now, for this process and for all its forks: they are to ``join``."""
    _context()
    forkserver.ensure_running()


def is_running() -> bool:
    """Return whether the server is there, and starts a process in a moment; else its own start takes seconds."""
    return forkserver._forkserver._forkserver_pid is not None  # type: ignore[attr-defined]


def join() -> None:
    """Use the server that the process this one is a fork of has started, if it has."""
    if is_running():
        server = forkserver._forkserver  # type: ignore[attr-defined]
        server.ensure_running = lambda: None  # it asks how its own child is


@contextmanager
def apart(environment: Mapping[str, str]) -> Iterator[None]:
    """Have all that is started meanwhile forked from a server of its own, in whose environment this is, too.

    For what is loaded with a process, and cannot be given to a fork of one that has begun: LD_PRELOAD.
    """
    server = forkserver.ForkServer()
    server.set_forkserver_preload(PRELOADED)
    with patch.dict(os.environ, environment):
        server.ensure_running()
    pid: int = server._forkserver_pid  # type: ignore[attr-defined]
    try:
        with patch.object(forkserver, "connect_to_new_process", server.connect_to_new_process):
            yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(server._forkserver_alive_fd)  # type: ignore[attr-defined]


def _start(
    argv: Sequence[str], env: Mapping[str, str], outputs: tuple[Path, Path], is_loaded: bool
) -> ForkServerProcess:
    assert argv[0] == sys.executable
    process = _context().Process(
        target=_become, args=(tuple(argv), dict(env), outputs, is_loaded), daemon=True
    )
    process.start()
    return process


@functools.cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _become(argv: tuple[str, ...], env: dict[str, str], outputs: tuple[Path, Path], is_loaded: bool) -> None:
    os.setpgrp()
    os.environ.clear()
    os.environ.update(env)
    for stream, output in zip((sys.stdout, sys.stderr), outputs, strict=True):
        stream.flush()
        descriptor = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
        stream.reconfigure(line_buffering=True)
    from tests import anew  # loads the project, as the server has

    if not is_loaded:
        os.execve(argv[0], argv, env)  # noqa: S606 - our own program
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # it may have children
    is_module = argv[1] == "-m"
    sys.argv = list(argv[2:] if is_module else argv[1:])
    anew.read_settings()
    try:
        if is_module:
            runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(argv[1], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends its processes without them
