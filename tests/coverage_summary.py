"""Line and branch coverage of the four rooms, from the data of the last run.

``python -m tests.coverage_summary [--no-minimum]``; exit 1 when a room has less than 90 % of its lines.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import CoverageException

ROOMS = ("trading", "risk", "ai", "connectors")
MINIMUM_PERCENT = 90.0


def measured() -> dict[str, dict[str, int]]:
    """Return coverage's numbers by file."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        coverage.json_report(outfile=str(report))
        files = json.loads(report.read_text())["files"]
    return {name: facts["summary"] for name, facts in files.items()}


def percent(part: int, whole: int) -> float:
    """Return ``part`` in percent; nothing to cover is covered."""
    return 100.0 * part / whole if whole else 100.0


def room_lines(files: dict[str, dict[str, int]]) -> tuple[list[str], list[str]]:
    """Return the table's lines, and the rooms below the minimum."""
    lines, low = [f"{'room':<12}{'lines':>8}{'branches':>10}"], []
    for room in ROOMS:
        total: Counter[str] = Counter()
        for name, summary in files.items():
            if name.startswith(f"{room}/"):
                total.update({key: value for key, value in summary.items() if isinstance(value, int)})
        by_line = percent(total["covered_lines"], total["num_statements"])
        by_branch = percent(total["covered_branches"], total["num_branches"])
        lines.append(f"{room:<12}{by_line:>7.1f}%{by_branch:>9.1f}%")
        if by_line < MINIMUM_PERCENT:
            low.append(room)
    return lines, low


def worst_files(files: dict[str, dict[str, int]], rooms: list[str]) -> list[str]:
    """Return the ten files of these rooms with the most lines not run."""
    names = [name for name in files if name.startswith(tuple(f"{room}/" for room in rooms))]
    names.sort(key=lambda name: -files[name]["missing_lines"])
    return [f"  {files[name]['missing_lines']:>4} lines not run in {name}" for name in names[:10]]


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status."""
    try:
        files = measured()
    except CoverageException as error:
        sys.stdout.write(f"No coverage to report: {error}\n")
        return 0 if "--no-minimum" in arguments else 1
    lines, low = room_lines(files)
    if low and "--no-minimum" not in arguments:
        lines.append(f"Below {MINIMUM_PERCENT:.0f} % of lines: {', '.join(low)}")
        lines += worst_files(files, low)
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if low and "--no-minimum" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
