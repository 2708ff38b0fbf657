"""Processes of a system that start in a moment: forked from a server that has loaded the libraries already.

Loading them takes longer than most tests; everything of our own is loaded by each process, in its own
environment. Signals, sessions, children and memory are those of any other process; tests of the start itself
(``up``, ``tests/platform``) run the command lines as they are.
"""

import atexit
import functools
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path


def start(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path, is_loaded: bool = True
) -> ForkServerProcess:
    """Start ``argv``, of this Python, in a session of its own and return the process.

    Args:
        env: its whole environment.
        log: where stdout and stderr are appended.
        is_loaded: False where it matters who loads which library, and when.
    """
    assert argv[0] == sys.executable
    task = (tuple(argv), dict(env), log, is_loaded)
    process = _context().Process(target=_become, args=task, daemon=True)
    process.start()
    return process


@functools.cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.libraries"])
    return context


def _become(argv: tuple[str, ...], env: dict[str, str], log: Path, is_loaded: bool) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
        stream.reconfigure(line_buffering=True)
    os.close(descriptor)
    if not is_loaded:
        os.execve(argv[0], argv, env)  # noqa: S606 - our own program
    arguments = argv[1:]
    try:
        if arguments[0] == "-m":
            sys.argv = ["", *arguments[2:]]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(arguments)
            runpy.run_path(arguments[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends its processes without them
