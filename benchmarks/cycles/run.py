"""Runs the cases one after the other, each in a process of its own with engines, venue and system of its own."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.cycles.cases import CASES
from benchmarks.cycles.measured import progress
from benchmarks.cycles.result import Result

ROOT = Path(__file__).resolve().parents[2]


def run(names: list[str], *, cycles: int, listings: Path | None = None) -> dict[str, Result]:
    """Return what each case brought; one that failed says why.

    Args:
        listings: a folder for a list of each case's statements, made where it is missing; None: they are not kept.
    """
    if listings is not None:
        listings.mkdir(parents=True, exist_ok=True)
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for number, name in enumerate(names, 1):
            progress(f"case {number} of {len(names)}: {CASES[name].words}")
            listing = (listings or Path(folder)) / f"{name}.statements"
            results[name] = _run_one(name, cycles, Path(folder) / f"{name}.json", listing)
    return results


def _run_one(name: str, cycles: int, target: Path, listing: Path) -> Result:
    own = [name, str(cycles), str(target), str(listing.resolve())]
    command = [sys.executable, "-m", "benchmarks.cycles.measured", *own]
    log = target.with_suffix(".log")
    with log.open("wb") as output:
        done = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own program
        assert done.stderr is not None
        last = ""
        try:
            for line in done.stderr:
                if line[:2].isdigit():  # a line of progress; what the system logs here is nobody's matter
                    sys.stderr.write(line)
                    sys.stderr.flush()
                last = line.strip() or last
            done.wait()
        except BaseException:
            done.terminate()
            done.wait()
            raise
    if done.returncode == 0:
        return Result.from_json(json.loads(target.read_text()))
    return Result.failed(name, last[:110] or f"exit {done.returncode}")
