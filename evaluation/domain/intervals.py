"""Intervals of what is measured by decisions: sessions are resampled, in blocks, with all their symbols together.

Decisions of one session move together, and labels of h sessions overlap; resampling single decisions would say that
140 opinions on one day were 140 days of evidence. Formulas and sources: docs/metrics.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from evaluation.domain.figures import Figure, Window, unknown
from evaluation.domain.resampling import RESAMPLES, block_length, draws, mean_variance, studentised_bound
from evaluation.errors import MalformedObservationsError

if TYPE_CHECKING:
    from evaluation.domain.resampling import Floats, Numbers

# Fewer blocks than these say nothing of how blocks differ.
MIN_SESSIONS = 20
_BLOCKS_OF_HORIZONS = 3
_MIN_BLOCKS = 2
Bounds = tuple[float, float]
ANYTHING: Bounds = (float("-inf"), float("inf"))
SHARE: Bounds = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Basis:
    """What all figures of one report have in common.

    Args:
        horizon: sessions from the decision to the label, at least 1; blocks are three times as long at least.
        window: of all observations.
        level: of the intervals.
        seed: of the resamples; the same for two figures pairs them.
    """

    horizon: int = 1
    window: Window = Window.CLEAN
    level: float = 0.95
    resamples: int = RESAMPLES
    seed: int = 0

    @property
    def shortest_block(self) -> int:
        """The least mean block length, in sessions; labels of one session do not overlap."""
        return _BLOCKS_OF_HORIZONS * self.horizon if self.horizon > 1 else 1

    @property
    def sessions_needed(self) -> int:
        """How many sessions an interval needs at least."""
        return max(MIN_SESSIONS, _MIN_BLOCKS * self.shortest_block)


def numbered(sessions: "Sequence[int] | Numbers") -> "Numbers":
    """Return the sessions counted from 0 at the first of them.

    Args:
        sessions: consecutive numbers of market sessions, one for each observation, in any order.
    """
    import numpy as np

    found = np.asarray(sessions, dtype=np.int64)
    return found - found.min() if len(found) else found


def observed(values: "Sequence[float] | Floats", sessions: "Sequence[int] | Numbers") -> "Floats":
    """Return the values as an array.

    Raises:
        MalformedObservationsError: another length than the sessions, or not finite.
    """
    import numpy as np

    found = np.asarray(values, dtype=np.float64)
    if found.shape != (len(sessions),):
        raise MalformedObservationsError(f"{found.shape} values for {len(sessions)} sessions")
    if not np.isfinite(found).all():
        raise MalformedObservationsError("an observation is not finite")
    return found


def too_few(sessions: "Numbers", basis: Basis) -> str:
    """Return why there can be no interval yet; "" where there can."""
    import numpy as np

    count = len(np.unique(sessions))
    needed = basis.sessions_needed
    return f"{count} of at least {needed} sessions" if count < needed else ""


def linear_figure(
    value: float,
    influence: "Floats",
    sessions: "Sequence[int] | Numbers",
    basis: Basis,
    *,
    bounds: Bounds = ANYTHING,
) -> Figure:
    """Return a figure with the studentised interval of its linear part.

    Args:
        value: the estimate.
        influence: of each observation on it: the estimate is, but for a remainder that vanishes faster,
            the truth and their mean; of a mean, value less mean.
        bounds: what the figure can be; the interval is cut there.
    """
    import numpy as np

    numbers = numbered(sessions)
    n = len(influence)
    reason = too_few(numbers, basis)
    if reason:
        return unknown(reason, n=n, window=basis.window)
    span = int(numbers.max()) + 1
    series = np.bincount(numbers, weights=influence, minlength=span).astype(np.float64) * (span / n)
    half, variance = _half_width(series, basis)
    alone = float(influence @ influence) / n**2
    effective = float(n) if variance <= 0 else min(float(n), n * alone / variance)
    low, high = max(value - half, bounds[0]), min(value + half, bounds[1])
    return Figure(value, min(low, value), max(high, value), n, effective, basis.window)


def _half_width(series: "Floats", basis: Basis) -> tuple[float, float]:
    """Return half the interval's width and the variance of the mean, of one number for each session."""
    if not (series != series[0]).any():
        return 0.0, 0.0
    block = max(block_length(series), float(basis.shortest_block))
    variance = mean_variance(series, block=block)
    bound = studentised_bound(
        series, block=block, level=basis.level, resamples=basis.resamples, seed=basis.seed
    )
    return bound * variance**0.5, variance


def mean_figure(
    values: "Sequence[float] | Floats",
    sessions: "Sequence[int] | Numbers",
    basis: Basis,
    *,
    bounds: Bounds = ANYTHING,
) -> Figure:
    """Return the mean over observations with its interval.

    Raises:
        MalformedObservationsError: as ``observed``.
    """
    found = observed(values, sessions)
    if not len(found):
        return unknown("no observations", window=basis.window)
    centre = float(found.mean())
    return linear_figure(centre, found - centre, sessions, basis, bounds=bounds)


def paired_figure(
    before: "Sequence[float] | Floats",
    after: "Sequence[float] | Floats",
    sessions: "Sequence[int] | Numbers",
    basis: Basis,
) -> Figure:
    """Return the mean of after less before, of the same decisions: what they have in common cancels.

    Raises:
        MalformedObservationsError: as ``observed``.
    """
    return mean_figure(observed(after, sessions) - observed(before, sessions), sessions, basis)


def share_figure(
    hits: "Sequence[float] | Floats", sessions: "Sequence[int] | Numbers", basis: Basis
) -> Figure:
    """Return the share of hits (0 or 1). Where all are the same, the interval is exact for one try a block.

    Clopper & Pearson 1934: none of n differs where the share is up to 1 - (alpha/2)^(1/n).

    Raises:
        MalformedObservationsError: as ``observed``.
    """
    figure = mean_figure(hits, sessions, basis, bounds=SHARE)
    if figure.value is None or 0 < figure.value < 1:
        return figure
    tries = max(1, (int(numbered(sessions).max()) + 1) // basis.shortest_block)
    reach = 1 - ((1 - basis.level) / 2) ** (1 / tries)
    low, high = (0.0, reach) if figure.value == 0 else (1 - reach, 1.0)
    return Figure(figure.value, low, high, figure.n, float(min(tries, figure.n)), basis.window)


def ratio_figure(
    numerators: "Sequence[float] | Floats",
    denominators: "Sequence[float] | Floats",
    sessions: "Sequence[int] | Numbers",
    basis: Basis,
    *,
    bounds: Bounds = ANYTHING,
) -> Figure:
    """Return the ratio of two sums with its BCa interval (Efron 1987; acceleration by leaving out blocks).

    Profit factor, return on what was risked: far from normal where the lower sum is small.

    Raises:
        MalformedObservationsError: as ``observed``.
    """
    import numpy as np

    upper, lower = observed(numerators, sessions), observed(denominators, sessions)
    numbers = numbered(sessions)
    reason = "nothing to divide by" if not lower.sum() else too_few(numbers, basis)
    if reason:
        return unknown(reason, n=len(upper), window=basis.window)
    span = int(numbers.max()) + 1
    above = np.bincount(numbers, weights=upper, minlength=span).astype(np.float64)
    below = np.bincount(numbers, weights=lower, minlength=span).astype(np.float64)
    value = float(upper.sum() / lower.sum())
    series = (above - value * below) / below.mean()
    block = max(block_length(series), float(basis.shortest_block))
    ratios = _resampled_ratios(above, below, block, basis)
    low, high = _bca(value, ratios, _without_blocks(above, below, block), basis.level)
    variance = mean_variance(series, block=block)
    alone = float(((upper - value * lower) ** 2).sum()) / float(lower.sum()) ** 2
    effective = float(len(upper)) if variance <= 0 else min(float(len(upper)), len(upper) * alone / variance)
    ends = (max(low, bounds[0]), min(high, bounds[1]))
    return Figure(value, min(*ends, value), max(*ends, value), len(upper), effective, basis.window)


def _resampled_ratios(above: "Floats", below: "Floats", block: float, basis: Basis) -> "Floats":
    import numpy as np

    found = []
    for indices, _ in draws(len(above), block=block, resamples=basis.resamples, seed=basis.seed):
        sums = below[indices].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(above[indices].sum(axis=1) / sums)
    ratios: Floats = np.concatenate(found)
    return ratios[np.isfinite(ratios)]


def _without_blocks(above: "Floats", below: "Floats", block: float) -> "Floats":
    """Return the ratio without each block of sessions in turn: the jackknife that the dependence allows."""
    import numpy as np

    edges = np.arange(0, len(above), max(1, round(block)))
    top = above.sum() - np.add.reduceat(above, edges)
    bottom = below.sum() - np.add.reduceat(below, edges)
    kept = bottom != 0
    return np.asarray(top[kept] / bottom[kept], dtype=np.float64)


def _bca(value: float, resampled: "Floats", jackknifed: "Floats", level: float) -> tuple[float, float]:
    """Return the bias-corrected and accelerated percentile interval."""
    import numpy as np

    normal = NormalDist()
    if not len(resampled):
        return value, value
    below = (resampled < value).mean() + (resampled == value).mean() / 2
    bias = normal.inv_cdf(min(max(float(below), 1 / (len(resampled) + 1)), 1 - 1 / (len(resampled) + 1)))
    apart = jackknifed.mean() - jackknifed if len(jackknifed) else np.zeros(1)
    spread = float((apart**2).sum()) ** 1.5
    acceleration = float((apart**3).sum()) / (6 * spread) if spread > 0 else 0.0
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + normal.inv_cdf(tail)
        shifted = normal.cdf(bias + z / max(1 - acceleration * z, 1e-6))
        ends.append(float(np.quantile(resampled, shifted)))
    return ends[0], ends[1]
