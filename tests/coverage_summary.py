"""Line and branch coverage of the five rooms, from what the processes of a run have left in a folder.

``python -m tests.coverage_summary FOLDER [--no-minimum]``; exit 1 when a room has less than 90 % of its lines.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from slipcover import merge_coverage
from slipcover.slipcover import SlipcoverError

ROOMS = ("evaluation", "trading", "risk", "ai", "connectors")
MINIMUM_PERCENT = 90.0


def measured(folder: Path) -> dict[str, dict[str, int]]:
    """Return the numbers by file, of all processes together.

    Raises:
        OSError: nothing was measured.
        SlipcoverError: the files of the folder do not fit together.
    """
    parts = sorted(folder.glob("*.json"))
    if not parts:
        raise FileNotFoundError(f"{folder} has no measurements")
    whole = json.loads(parts[0].read_text())
    for part in parts[1:]:
        merge_coverage(whole, json.loads(part.read_text()))
    return {name: facts["summary"] for name, facts in whole["files"].items()}


def percent(covered: int, missing: int) -> float:
    """Return ``covered`` in percent of both; nothing to cover is covered."""
    return 100.0 * covered / (covered + missing) if covered + missing else 100.0


def room_lines(files: dict[str, dict[str, int]]) -> tuple[list[str], list[str]]:
    """Return the table's lines, and the rooms below the minimum."""
    lines, low = [f"{'room':<12}{'lines':>8}{'branches':>10}"], []
    for room in ROOMS:
        total: Counter[str] = Counter()
        for name, summary in files.items():
            if name.startswith(f"{room}/"):
                total.update({key: value for key, value in summary.items() if isinstance(value, int)})
        by_line = percent(total["covered_lines"], total["missing_lines"])
        by_branch = percent(total["covered_branches"], total["missing_branches"])
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
        files = measured(Path(arguments[0]))
    except (OSError, SlipcoverError) as error:
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
