"""Coverage of processes that tests start: the venue's, whose code few tests run in their own process."""

import os
import sys
from pathlib import Path
from uuid import uuid4

FOLDER_VARIABLE = "TEST_COVERAGE_FOLDER"
# Who finds it at its end takes the suite's processes for its own, and removes what they are about to write.
_NOT_OF_THE_SUITE = ("-u", "SLIPCOVER_COVERAGE_DIR")


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
    plugin = sys.modules.get("slipcover.pytest_plugin")
    instance = getattr(plugin, "_slipcover_instance", None)  # in the processes of a run, where it measures
    if instance is not None:
        instance.source = None
