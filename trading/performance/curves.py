"""A report's curve as it is drawn: beside what the market did, how far below its peak, and month by month."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from trading.models import EquitySnapshot
from trading.performance.benchmark import Benchmark
from trading.performance.spans import last_close_before

MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The account at a session's close.

    Args:
        equity: USD, what was paid in or out since the start left out.
        fall: below the highest close so far, a ratio from 0 down to -1.
        benchmark: USD that the account would be worth had it gone with the market from the first day on of which the
            market is known; None where it is not.
    """

    day: date
    equity: float
    fall: float
    benchmark: float | None


@dataclass(frozen=True, slots=True)
class YearOfReturns:
    """Returns of the calendar months, ratios, in order; None: no close in that month. ``whole`` is the year's."""

    year: int
    months: tuple[float | None, ...]
    whole: float


def curve_points(curve: Sequence[tuple[date, float]], benchmark: Benchmark) -> list[CurvePoint]:
    """Return the curve with its falls, and the benchmark from the first day on of which it is known."""
    steps = dict(zip(benchmark.places, benchmark.returns, strict=True))
    found: list[CurvePoint] = []
    peak = 0.0
    market: float | None = None
    for place, (day, equity) in enumerate(curve):
        peak = max(peak, equity)
        step = steps.get(place - 1)
        before = market if market is not None or not found else found[-1].equity
        market = before * (1 + step) if step is not None and before is not None else None
        shown = market if market is not None or place not in steps else equity
        found.append(CurvePoint(day, equity, equity / peak - 1 if peak > 0 else 0.0, shown))
    return found


def returns_by_year(curve: Sequence[tuple[date, float]]) -> list[YearOfReturns]:
    """Return what each calendar month and year earned, from the last close before it to its own last."""
    found: dict[int, list[float | None]] = {}
    starts: dict[int, float] = {}
    ends: dict[tuple[int, int], float] = {}
    before = curve[0][1] if curve else 0.0
    for day, equity in curve:
        ends[day.year, day.month] = equity
    for (year, month), equity in sorted(ends.items()):
        starts.setdefault(year, before)
        row = found.setdefault(year, [None] * 12)
        row[month - 1] = equity / before - 1 if before > 0 else None
        before = equity
    last = {year: equity for (year, _), equity in sorted(ends.items())}
    return [
        YearOfReturns(year, tuple(row), last[year] / starts[year] - 1 if starts[year] > 0 else 0.0)
        for year, row in found.items()
    ]


def equity_of_the_session() -> list[tuple[float, float]]:
    """Return (seconds since 1970 of market time, equity in USD) of the session under way, or of the last one.

    At most ``MOST_POINTS``, evenly thinned, the newest always among them.
    """
    newest = EquitySnapshot.objects.newest()
    if newest is None:
        return []
    since = last_close_before(newest.market_time)
    rows = EquitySnapshot.objects.filter(market_time__gt=since).order_by("market_time", "sync_sequence")
    points = dict(rows.values_list("market_time", "equity"))  # of one moment the last
    step = -(-len(points) // MOST_POINTS) or 1
    kept = list(points.items())[::-1][::step][::-1]
    return [(at.timestamp(), float(equity)) for at, equity in kept]
