"""Figures of a curve of equity: formulas and sources in docs/metrics.md.

Ratios are floats: they are estimates, and no money. A figure that nobody can know is None; ``why_not`` says why.
Each takes simple returns of equal periods, oldest first: 0.01 is one percent.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

STOCK_PERIODS = 252  # sessions a year
COIN_PERIODS = 365
TAIL = 0.05
TINY = 1e-15  # a deviation below it is rounding: the returns are all the same

Returns = Sequence[float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with how many observations it rests on; None with the reason where it is not known."""

    value: float | None
    n: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall: ``depth`` is -0.2 for 20 %; ``recovered`` is None while the peak was not reached again."""

    depth: float
    peak: date
    trough: date
    recovered: date | None
    days_under_water: int


def returns_of(curve: Sequence[float]) -> list[float]:
    """Return the simple returns of a curve, one less than it has points; a point not above 0 ends it."""
    found: list[float] = []
    for before, after in itertools.pairwise(curve):
        if before <= 0:
            break
        found.append(after / before - 1)
    return found


def mean(values: Returns) -> float | None:
    """Return the arithmetic mean."""
    return math.fsum(values) / len(values) if values else None


def deviation(values: Returns) -> float | None:
    """Return the sample's standard deviation (ddof 1); None with fewer than two."""
    if len(values) < 2:
        return None
    centre = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((each - centre) ** 2 for each in values) / (len(values) - 1))


def total_return(returns: Returns) -> float | None:
    """Return what the whole period earned."""
    return math.prod(1 + each for each in returns) - 1 if returns else None


def cagr(returns: Returns, periods: int) -> float | None:
    """Return the compound annual growth rate; None where all was lost."""
    if not returns:
        return None
    end = math.prod(1 + each for each in returns)
    return float(end ** (periods / len(returns)) - 1) if end > 0 else None


def volatility(returns: Returns, periods: int) -> float | None:
    """Return the annualised standard deviation."""
    one = deviation(returns)
    return one * math.sqrt(periods) if one is not None else None


def sharpe(returns: Returns, periods: int) -> float | None:
    """Return mean over deviation, annualised, the risk-free rate taken as 0 (Sharpe 1994)."""
    centre, one = mean(returns), deviation(returns)
    if centre is None or one is None or one < TINY:
        return None
    return centre / one * math.sqrt(periods)


def downside_risk(returns: Returns, periods: int) -> float | None:
    """Return the annualised root mean square of what fell below 0, over all periods (Sortino 1994)."""
    if len(returns) < 2:
        return None
    return math.sqrt(math.fsum(min(each, 0.0) ** 2 for each in returns) / len(returns)) * math.sqrt(periods)


def sortino(returns: Returns, periods: int) -> float | None:
    """Return the annualised mean over the downside risk."""
    centre, risk = mean(returns), downside_risk(returns, periods)
    return centre * periods / risk if centre is not None and risk else None


def max_drawdown(returns: Returns) -> float | None:
    """Return the deepest fall from a peak, the start included: -0.2 is 20 %."""
    if not returns:
        return None
    value = peak = 1.0
    worst = 0.0
    for each in returns:
        value *= 1 + each
        peak = max(peak, value)
        worst = min(worst, value / peak - 1)
    return worst


def drawdown(curve: Sequence[tuple[date, float]]) -> Drawdown | None:
    """Return the deepest fall of a dated curve; None where it never fell."""
    worst: Drawdown | None = None
    if not curve:
        return None
    peak_at, peak = curve[0]
    under = longest = 0
    for at, value in curve:
        if value >= peak:
            if worst and worst.recovered is None and worst.peak == peak_at:
                worst = Drawdown(worst.depth, worst.peak, worst.trough, at, worst.days_under_water)
            peak_at, peak, under = at, value, 0
            continue
        under = (at - peak_at).days
        longest = max(longest, under)
        depth = value / peak - 1
        if worst is None or depth < worst.depth:
            worst = Drawdown(depth, peak_at, at, None, 0)
    if worst is None:
        return None
    last = worst.recovered or curve[-1][0]
    return Drawdown(worst.depth, worst.peak, worst.trough, worst.recovered, (last - worst.peak).days)


def calmar(returns: Returns, periods: int) -> float | None:
    """Return the annual growth over the deepest fall (Young 1991)."""
    growth, worst = cagr(returns, periods), max_drawdown(returns)
    return growth / -worst if growth is not None and worst else None


def omega(returns: Returns) -> float | None:
    """Return the sum of gains over the sum of losses (Keating & Shadwick 2002, threshold 0)."""
    losses = -math.fsum(min(each, 0.0) for each in returns)
    return math.fsum(max(each, 0.0) for each in returns) / losses if losses > 0 else None


def percentile(values: Returns, share: float) -> float | None:
    """Return the quantile by linear interpolation (type 7 of Hyndman & Fan 1996)."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def value_at_risk(returns: Returns) -> float | None:
    """Return the return that one period in twenty falls below (historical, 95 %)."""
    return percentile(returns, TAIL)


def conditional_value_at_risk(returns: Returns) -> float | None:
    """Return the mean of the worst twentieth."""
    if not returns:
        return None
    worst = sorted(returns)[: int((len(returns) - 1) * TAIL) + 1]
    return math.fsum(worst) / len(worst)


def tail_ratio(returns: Returns) -> float | None:
    """Return the 95th percentile over the 5th, both without sign."""
    high, low = percentile(returns, 1 - TAIL), percentile(returns, TAIL)
    return abs(high) / abs(low) if high is not None and low else None


def hit_rate(returns: Returns) -> float | None:
    """Return the share of periods that gained."""
    return sum(each > 0 for each in returns) / len(returns) if returns else None


def beta(returns: Returns, benchmark: Returns) -> float | None:
    """Return the slope against the benchmark, period by period (OLS)."""
    pairs = list(zip(returns, benchmark, strict=True))
    if len(pairs) < 2:
        return None
    ours, theirs = math.fsum(a for a, _ in pairs) / len(pairs), math.fsum(b for _, b in pairs) / len(pairs)
    spread = math.fsum((b - theirs) ** 2 for _, b in pairs)
    together = math.fsum((a - ours) * (b - theirs) for a, b in pairs)
    return together / spread if spread / len(pairs) > TINY**2 else None


def alpha(returns: Returns, benchmark: Returns, periods: int) -> float | None:
    """Return what was earned beyond beta, compounded to a year."""
    slope, ours, theirs = beta(returns, benchmark), mean(returns), mean(benchmark)
    if slope is None or ours is None or theirs is None:
        return None
    return float((1 + ours - slope * theirs) ** periods - 1)


def excess_return(returns: Returns, benchmark: Returns) -> float | None:
    """Return how much more the whole period earned than the benchmark's."""
    ours, theirs = total_return(returns), total_return(benchmark)
    return ours - theirs if ours is not None and theirs is not None else None


def tracking_error(returns: Returns, benchmark: Returns, periods: int) -> float | None:
    """Return the annualised deviation of the difference to the benchmark."""
    return volatility([a - b for a, b in zip(returns, benchmark, strict=True)], periods)


def information_ratio(returns: Returns, benchmark: Returns) -> float | None:
    """Return the mean difference to the benchmark over its deviation, a period's, not annualised (Goodwin 1998)."""
    difference = [a - b for a, b in zip(returns, benchmark, strict=True)]
    centre, one = mean(difference), deviation(difference)
    return centre / one if centre is not None and one is not None and one >= TINY else None


def capture(returns: Returns, benchmark: Returns, periods: int, *, up: bool) -> float | None:
    """Return annual growth over the benchmark's, in the periods in which that gained (``up``) or lost."""
    chosen = [(a, b) for a, b in zip(returns, benchmark, strict=True) if (b > 0 if up else b < 0)]
    ours = cagr([a for a, _ in chosen], periods)
    theirs = cagr([b for _, b in chosen], periods)
    return ours / theirs if ours is not None and theirs else None


_OF_RETURNS: Mapping[str, Callable[[Returns, int], float | None]] = MappingProxyType(
    {
        "total_return": lambda r, _: total_return(r),
        "cagr": cagr,
        "volatility": volatility,
        "sharpe": sharpe,
        "sortino": sortino,
        "calmar": calmar,
        "max_drawdown": lambda r, _: max_drawdown(r),
        "downside_risk": downside_risk,
        "omega": lambda r, _: omega(r),
        "value_at_risk_95": lambda r, _: value_at_risk(r),
        "conditional_value_at_risk_95": lambda r, _: conditional_value_at_risk(r),
        "tail_ratio": lambda r, _: tail_ratio(r),
        "hit_rate": lambda r, _: hit_rate(r),
    }
)
_AGAINST: Mapping[str, Callable[[Returns, Returns, int], float | None]] = MappingProxyType(
    {
        "benchmark_return": lambda _, b, __: total_return(b),
        "excess_return": lambda r, b, _: excess_return(r, b),
        "beta": lambda r, b, _: beta(r, b),
        "alpha": alpha,
        "tracking_error": tracking_error,
        "information_ratio": lambda r, b, _: information_ratio(r, b),
        "up_capture": lambda r, b, p: capture(r, b, p, up=True),
        "down_capture": lambda r, b, p: capture(r, b, p, up=False),
    }
)
_NEVER = "its denominator is 0 over these days"


def figures_of(returns: Returns, periods: int) -> dict[str, Figure]:
    """Return every figure of a curve's returns by its name."""
    return {name: _figure(of(returns, periods), len(returns)) for name, of in _OF_RETURNS.items()}


def figures_against(
    returns: Returns, benchmark: Returns, periods: int, *, missing: str = ""
) -> dict[str, Figure]:
    """Return every figure against a benchmark, whose returns are of the same periods.

    Args:
        missing: why there is no benchmark; then no figure is known.
    """
    if missing:
        return {name: Figure(None, 0, missing) for name in _AGAINST}
    return {name: _figure(of(returns, benchmark, periods), len(returns)) for name, of in _AGAINST.items()}


def _figure(value: float | None, n: int) -> Figure:
    if n == 0:
        return Figure(None, 0, "no two closes of a session are on record in this time")
    if value is None or not math.isfinite(value):
        reason = "one day is too few" if n < 2 else _NEVER
        return Figure(None, n, reason)
    return Figure(value, n)
