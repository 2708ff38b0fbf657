"""``make bench``: what the gate and the saga cost, as ratios of one bare locked round trip."""

import sys

from benchmarks.measure import table
from benchmarks.world import measured_world


def main() -> int:
    """Measure and print; return 1 when a limit was passed."""
    with measured_world():
        from benchmarks.execution import figures

        yardstick, measured = figures()
        text, kept = table(yardstick, measured)
    sys.stdout.write(f"{text}\n")
    if not kept:
        sys.stdout.write("A limit was passed.\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
