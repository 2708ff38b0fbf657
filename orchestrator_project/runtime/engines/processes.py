"""Engine processes: started so that they outlive the command, recognised by where they work.

An engine is recognised by its program name and its working folder, never by a bare pid: pids are used
again, and a record may outlive what it names.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from orchestrator_project.runtime.engines.errors import EngineError
from orchestrator_project.runtime.engines.privileges import Account, keep_owner

POLL_SECONDS = 0.02
LOG_LIMIT_BYTES = 10 * 1024 * 1024
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)

# In the background of a shell that ends at once, the engine belongs to nobody: no zombie of ours, and no
# signal of our terminal. The shell's own output is the pid; the engine writes to the log.
DETACH = '"$@" 1>&2 & echo $!'


def is_alive(pid: int) -> bool:
    """Tell whether the process runs (a zombie does not)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def works_in(process: psutil.Process, program: str, folder: Path) -> bool:
    """Tell whether this is ``program`` working in ``folder``."""
    try:
        return bool(process.name() == program and Path(process.cwd()) == folder)
    except (*GONE, psutil.AccessDenied, OSError):
        return False


def is_engine(pid: int, program: str, folder: Path) -> bool:
    """Tell whether ``pid`` is ``program`` working in ``folder``, and not somebody who got its number."""
    try:
        return works_in(psutil.Process(pid), program, folder.resolve())
    except psutil.NoSuchProcess:
        return False


def engine_processes(program: str, folder: Path) -> list[psutil.Process]:
    """Return every process of ``program`` that works in ``folder``."""
    resolved = folder.resolve()
    return [process for process in psutil.process_iter() if works_in(process, program, resolved)]


def spawn_detached(argv: Sequence[str], *, log: Path, folder: Path, account: Account | None = None) -> int:
    """Start an engine in a session of its own, its output appended to ``log``; return its pid."""
    log.parent.mkdir(mode=0o700, exist_ok=True)
    keep_owner(log.parent)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    with log.open("ab") as output:
        keep_owner(log)
        done = subprocess.run(  # noqa: S603  (our own binaries and paths)
            ["/bin/sh", "-c", DETACH, "sh", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd=folder,
            env=engine_environment(),
            start_new_session=True,
            text=True,
            check=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    return int(done.stdout)


def engine_environment() -> dict[str, str]:
    """Return the whole environment of an engine: none of the operator's PG* names, keys or locale."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def stop_process(pid: int, steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn until the process is gone, waiting the given seconds after each.

    Raises:
        EngineError: it is still there after the last step.
    """
    for number, seconds in steps:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not is_alive(pid):
                return
            time.sleep(POLL_SECONDS)
    raise EngineError(f"Process {pid} does not end; end it with: kill -9 {pid}")
