"""``make bench``: whole cycles against the limit of the same run, and what the gate and the saga cost by themselves."""

import argparse
import sys
from pathlib import Path

from benchmarks.cycles.cases import CASES, DEFAULT, GATE

DEFAULT_CYCLES = 3


def main() -> int:
    """Measure and print; return 1 when a bound was passed."""
    options = _options()
    names = [name for name in options.cases if name != GATE]
    kept = _cycles(names, options.cycles, options.statements) if names else True
    if GATE in options.cases:
        kept = _gate() and kept
    sys.stdout.write("" if kept else "\nA bound was passed.\n")
    return 0 if kept else 1


def _options() -> argparse.Namespace:
    width = max(map(len, CASES)) + 2
    listed = "\n".join(f"  {case.name:{width}}{case.words}" for case in CASES.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Measures whole cycles of a real system: its processes, PostgreSQL, Valkey, the local venue with\n"
            "100 ms more on data, 50 ms on orders and 50 ms to the fill, and a chat model of 500 ms. The limit is\n"
            "what a bare program needs for the necessary requests, in the same run. Prints one table; exits with 1\n"
            "where a bound was passed. A case takes one to five minutes; a busy machine shows in both figures."
        ),
        epilog=(
            f"cases:\n{listed}\n  {GATE:{width}}the gate and the saga alone, as ratios of one locked round trip\n\n"
            'examples:\n  make bench ARGS="--cases orders15"\n'
            '  make bench ARGS="--cases plain,orders15,history --cycles 7"'
            f'\n  make bench ARGS="--cases workers1,workers2,workers4,workers8"\n  make bench ARGS="--cases {GATE}"\n\n'
            "others, each with a text of its own: python -m benchmarks.analysis, .trace, .observability, .rate_limit,\n"
            ".enriched, .half_sent, .scrape, .churn, .sessions, .replays, .shadows, .pages"
        ),
    )
    parser.add_argument(
        "--cases",
        type=_cases,
        default=[*DEFAULT, GATE],
        help=f"comma-separated, or all (default: {','.join((*DEFAULT, GATE))})",
    )
    parser.add_argument(
        "--cycles",
        type=_positive,
        default=DEFAULT_CYCLES,
        help="measured cycles a case (default %(default)s)",
    )
    parser.add_argument(
        "--statements",
        type=Path,
        metavar="FOLDER",
        help="write there which statements were counted: CASE.statements, by kind and in their order",
    )
    return parser.parse_args()


def _cases(text: str) -> list[str]:
    if text == "all":
        return [*CASES, GATE]
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in (*CASES, GATE)]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"no such case: {', '.join(map(repr, unknown)) or repr(text)}; see --help"
        )
    return list(dict.fromkeys(names))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a whole number of at least 1")
    return int(text)


def _cycles(names: list[str], cycles: int, listings: Path | None) -> bool:
    from benchmarks.cycles import report
    from benchmarks.cycles.run import run

    results = run(names, cycles=cycles, listings=listings)
    text, kept = report.table(results)
    sys.stdout.write(f"{report.details(results)}\n\n{text}\n")
    return kept


def _gate() -> bool:
    from benchmarks.measure import table
    from benchmarks.world import measured_world

    with measured_world():
        from benchmarks.execution import figures

        yardstick, measured = figures()
        text, kept = table(yardstick, measured)
    sys.stdout.write(f"\n{text}\n")
    return kept


if __name__ == "__main__":
    sys.exit(main())
