"""Coverage: of the venue's processes, whose code few tests run in their own, and at what price in those of a run."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

FOLDER_VARIABLE = "TEST_COVERAGE_FOLDER"
# Who finds it at its end takes the suite's processes for its own, and removes what they are about to write.
_NOT_OF_THE_SUITE = ("-u", "SLIPCOVER_COVERAGE_DIR")
SECONDS_BETWEEN_LOOKS = 120.0


def python(module: str, *, is_measured: bool) -> list[str]:
    """Return the beginning of the command that runs ``module``; ``is_measured``: where ``make test`` measures.

    What the process ran lies in a file of its own when it ends, unless it is killed.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or not is_measured:
        return [sys.executable, "-m", module]
    out = Path(folder) / f"{module}-{uuid4().hex}.json"
    room = module.partition(".")[
        0
    ]  # slipcover reads every file of its sources when the process ends, run or not
    return [
        "env",
        *_NOT_OF_THE_SUITE,
        sys.executable,
        "-m",
        "slipcover",
        "--json",
        f"--out={out}",
        f"--source={room}",
        "--dont-wrap-pytest",
        "-m",
        module,
    ]


def leave_out_what_never_ran() -> None:
    """Let a process of a run say nothing of files that it has not loaded: who reports reads them, once for all."""
    if (instance := _of_this_process()) is not None:
        instance.source = None


def write_into_the_runs_folder() -> None:
    """Let slipcover know where: the process that a fork comes from was started before there was a folder."""
    if (plugin := _plugin()) is not None:
        plugin._coverage_dir = os.environ.get("SLIPCOVER_COVERAGE_DIR")


def take_probes_out_seldom() -> None:
    """Let slipcover take its probes out of lines that ran once in a while, and not whenever some ran fifty times.

    It looks through every function that is loaded for that: more than half of what a process of a run computed.
    """
    if (instance := _of_this_process()) is not None:
        instance.deinstrument_seen = seldom(instance.deinstrument_seen, SECONDS_BETWEEN_LOOKS)


def seldom(
    work: Callable[[], None], seconds: float, now: Callable[[], float] = monotonic
) -> Callable[[], None]:
    """Return a function that does ``work`` where that was done, or this called, ``seconds`` ago, and nothing else."""
    last = now()

    def look() -> None:
        nonlocal last
        if now() - last >= seconds:
            last = now()
            work()

    return look


def _of_this_process() -> Any:
    """Return slipcover's own object in the processes of a run, where it measures."""
    return getattr(_plugin(), "_slipcover_instance", None)


def _plugin() -> Any:
    return sys.modules.get("slipcover.pytest_plugin")
