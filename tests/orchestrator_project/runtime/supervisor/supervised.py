"""Programs for the supervisor's tests: a supervisor, and children good and bad.

``python -m <this module> up HOME GRACE NAME=KIND …`` supervises children of those kinds; with ``FORKS`` in the
environment it forks them.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENT = 3600.0


def note_pid(home: Path, name: str) -> None:
    """Append this process's pid to ``HOME/pids``, whole lines only."""
    with (home / "pids").open("a") as file:
        file.write(f"{name} {os.getpid()}\n")


def _become(argv: tuple[str, ...]) -> None:
    _, _, _, _, home, name, kind = argv
    child(Path(home), name, kind)


def child(home: Path, name: str, kind: str) -> None:
    """Behave as ``kind`` says."""
    if kind == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.orchestrator_project.runtime.supervisor.supervised",
                "sleep",
                str(home),
                f"{name}-child",
            ]
        )
    note_pid(home, name)
    if kind == "talks":
        sys.stdout.write("out\n")
        sys.stderr.write("err\n")
        sys.stdout.flush()
    if kind == "fails":
        sys.exit(3)
    if kind == "raises":
        raise RuntimeError("out of order")
    if kind == "ends":
        return
    if kind == "looks":
        (home / "looked").write_text(
            "\n".join([*os.listdir("/proc/self/fd"), str(signal.getsignal(signal.SIGTERM))])
        )
    time.sleep(PATIENT)


def up(home: Path, grace: float, wanted: list[str]) -> None:
    """Supervise ``NAME=KIND`` children, saying each line on stdout."""
    # Not at the top: the children need nothing of it.
    from orchestrator_project.runtime.supervisor import (
        AlreadyRunningError,
        ProcessSpec,
        Supervisor,
        Timing,
        only_one,
    )

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    specs = []
    for item in wanted:
        name, kind = item.split("=")
        argv: tuple[str, ...] = (
            sys.executable,
            "-m",
            "tests.orchestrator_project.runtime.supervisor.supervised",
            "child",
            str(home),
            name,
            kind,
        )
        if kind == "missing":
            argv = (str(home / "no-such-program"),)
        specs.append(
            ProcessSpec(
                name,
                argv,
                dict(os.environ),
                home / "logs" / f"{name}.log",
                main=_become if "FORKS" in os.environ and kind != "missing" else None,
                is_once=kind == "ends",
            )
        )
    timing = Timing(first_pause=0.2, longest_pause=0.8, grace=grace)
    try:
        with only_one(home) as lock:
            after_kill = ("touch", str(home / "after-kill"))
            Supervisor(specs, say, lock=lock, after_kill=after_kill, timing=timing).run()
            say("all stopped")
    except AlreadyRunningError as error:
        say(str(error))
        sys.exit(1)


def main() -> None:
    """Run the part named by the first argument."""
    part, home, *rest = sys.argv[1:]
    if part == "up":
        up(Path(home), float(rest[0]), rest[1:])
    elif part == "child":
        child(Path(home), *rest)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note_pid(Path(home), rest[0])
        time.sleep(PATIENT)


if __name__ == "__main__":
    main()
