"""The warden: ends a supervisor's processes when the supervisor could not do it itself.

A program of its own, in a session of its own, that waits for its standard input to end. That happens when
the supervisor ends in any way, kill -9 included. It then ends every process that carries the supervisor's
mark, which is in the environment and therefore inherited by grandchildren. (PR_SET_PDEATHSIG was the
alternative: Linux only, reaches no grandchild, and a child may ignore the signal.) It also holds the lock
of ``up`` until it is done, so the next ``up`` starts on clean ground.

Runs by file name and imports nothing of the project: it must stay small.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable

import psutil

MARK = "SUPERVISED_BY"
NAME_MARK = "SUPERVISED_AS"
FAREWELL = b"done"
POLL_SECONDS = 0.1
KILL_ROUNDS_SECONDS = 2.0


def marked(mark: str, name: str | None = None) -> list[psutil.Process]:
    """Return the live processes that carry ``mark``, save this one; with ``name`` those of one child."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(MARK) != mark or process.pid == os.getpid():
                continue
            if name in (None, environment.get(NAME_MARK)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):  # ended meanwhile, or another user's
            continue
    return found


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def kill_marked(mark: str, name: str | None = None) -> bool:
    """Kill until nobody carries the mark; False when somebody still does after two seconds."""
    deadline = time.monotonic() + KILL_ROUNDS_SECONDS
    while processes := marked(mark, name):
        if time.monotonic() > deadline:
            return False
        send(processes, signal.SIGKILL)
        time.sleep(POLL_SECONDS / 2)
    return True


def end_marked(mark: str, grace_seconds: float) -> None:
    """Ask the first of each process family to end, and kill whatever is left after the grace."""
    processes = marked(mark)
    pids = {process.pid for process in processes}
    send((process for process in processes if _parent(process) not in pids), signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and marked(mark):
        time.sleep(POLL_SECONDS)
    kill_marked(mark)


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0


def main(arguments: list[str]) -> None:
    """Wait for the end of standard input, then clean up: ``warden.py MARK GRACE_SECONDS [COMMAND …]``.

    A supervisor that ended by itself wrote ``FAREWELL`` before; otherwise COMMAND is run at the end, for
    what the supervisor would have done after its processes had gone.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    mark, grace_seconds, *command = arguments
    farewell = sys.stdin.buffer.read()
    end_marked(mark, float(grace_seconds))
    if command and farewell != FAREWELL:
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL)  # noqa: S603  (given by the supervisor)


if __name__ == "__main__":
    main(sys.argv[1:])
