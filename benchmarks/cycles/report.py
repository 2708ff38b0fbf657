"""The one table of ``make bench``: what was measured, the limit of the same run, their ratio, and the stated bound."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.cycles.cases import CASES, Case
from benchmarks.cycles.result import Result
from benchmarks.cycles.stretches import drawn

STATEMENTS = 400  # of a cycle with 15 orders
STATEMENTS_OF = "orders15"
# One request an order, and so many beside them from start to booked positions.
REQUESTS_BESIDE = 12
TITLES = ("case", "measured", "limit", "ratio", "bound", "")
WIDTHS = (42, 20, 12, 8, 26, 6)
Row = tuple[str, str, str, str, str, str]


def table(results: Mapping[str, Result]) -> tuple[str, bool]:
    """Return the table, and whether everything kept its bound."""
    rows: list[Row] = []
    for result in results.values():
        rows += _rows(result, results)
    lines = [_line(TITLES), _line(tuple("-" * (width - 2) for width in WIDTHS))]
    lines += [_line(row) for row in rows]
    return "\n".join(lines), all(row[-1] != "over" for row in rows)


def details(results: Mapping[str, Result]) -> str:
    """Return for each case its requests, statements, CPU and waterfall."""
    return "\n\n".join(_detail(result) for result in results.values() if result.seconds)


def _line(words: Sequence[str]) -> str:
    padded = [f"{word:<{width}}" for word, width in zip(words, WIDTHS, strict=True)]
    return "".join(padded).rstrip()


def _rows(result: Result, results: Mapping[str, Result]) -> list[Row]:
    case = CASES[result.name]
    trouble: list[Row] = [(f"  {result.problem}", "", "", "", "", "over")] if result.problem else []
    if not result.seconds:
        return [(case.words, "failed", "", "", "", "over"), *trouble]
    measured, limit = statistics.median(result.seconds), statistics.median(result.limits)
    seconds = f"{measured:.2f} s, {len(result.seconds)} cycle{'s' * (len(result.seconds) > 1)}"
    bound, verdict = _bound(case, measured, results)
    rows = [(case.words, seconds, f"{limit:.2f} s", f"{measured / limit:.1f}", bound, verdict)]
    if case.orders:
        rows += _of_orders(case, result)
    statements = sum(result.statements.values())
    held = case.name == STATEMENTS_OF
    bound = f"{STATEMENTS}" if held else ""
    verdict = _verdict(statements <= STATEMENTS) if held else ""
    return [*rows, ("  statements", f"{statements:,}", "", "", bound, verdict), *trouble]


def _bound(case: Case, measured: float, results: Mapping[str, Result]) -> tuple[str, str]:
    """Return the bound in words and whether it is kept; nothing where the case it is a factor of was not measured."""
    if case.bound is None:
        return "", ""
    if case.past_cycles:
        before = statistics.median(results[case.name].baseline)
        return f"{case.bound * before:.2f} s ({case.bound:g} x without)", _verdict(
            measured <= case.bound * before
        )
    if not case.bound_of:
        return f"{case.bound:.2f} s", _verdict(measured <= case.bound)
    other = results.get(case.bound_of)
    if other is None or not other.seconds:
        return f"{case.bound:g} x {case.bound_of} (not run)", ""
    most = case.bound * statistics.median(other.seconds)
    return f"{most:.2f} s ({case.bound:g} x {case.bound_of})", _verdict(measured <= most)


def _of_orders(case: Case, result: Result) -> list[Row]:
    most = max(sum(kinds.values()) for kinds in result.requests)
    may = case.orders + REQUESTS_BESIDE
    booked = min(result.orders)
    return [
        ("  orders booked, at least", f"{booked}", f"{case.orders}", "", "", _verdict(booked == case.orders)),
        (
            "  requests to trading addresses, at most",
            f"{most}",
            f"{case.orders}",
            "",
            f"{may}",
            _verdict(most <= may),
        ),
        ("  pauses", f"{sum(result.pauses)}", "", "", "0", _verdict(not any(result.pauses))),
    ]


def _verdict(is_kept: bool) -> str:
    return "ok" if is_kept else "over"


def _detail(result: Result) -> str:
    case = CASES[result.name]
    lines = [f"{case.words} ({case.name})"]
    lines.append("  each cycle: " + ", ".join(f"{seconds:.2f}" for seconds in result.seconds) + " s")
    asked: Counter[str] = Counter()
    for kinds in result.requests:
        asked.update(kinds)
    cycles = len(result.requests)
    per_cycle = ", ".join(f"{count / cycles:g} {kind}" for kind, count in asked.most_common())
    lines.append(f"  requests to trading addresses a cycle: {per_cycle or 'none'}")
    lines.append("  statements: " + _listed({name: f"{n}" for name, n in result.statements.items()}))
    lines.append("  CPU seconds: " + _listed({name: f"{s:.2f}" for name, s in result.cpu_seconds.items()}))
    lines.append("  where the time of the middle cycle went:")
    lines.append(drawn(result.stretches))
    return "\n".join(lines)


def _listed(figures: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())
