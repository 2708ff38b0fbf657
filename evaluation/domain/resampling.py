"""The stationary bootstrap: blocks of random length from a series that wraps around (Politis & Romano 1994)."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Numbers = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

RESAMPLES = 2_000
_INSIGNIFICANT = 5
_AT_ONCE = 400_000  # numbers in memory: 3 MB an array


def block_length(series: "Floats") -> float:
    """Return the mean block length that estimates the mean's variance best, from 1 to a third of the series.

    Politis & White 2004, "Automatic block-length selection", as corrected by Patton, Politis & White 2009: their
    ``b_SB`` with the flat-top window, and its width by the rule that their code has (and ``arch`` after it).
    """
    import numpy as np

    n = len(series)
    centred = series - series.mean()
    most = math.ceil(math.sqrt(n)) + _INSIGNIFICANT
    if n <= most + 1 or not np.any(np.abs(centred) > 0):
        return 1.0
    covariances = np.array([centred[lag:] @ centred[: n - lag] / n for lag in range(most + 1)])
    lags = min(_window_width(centred, covariances, most), most)
    lag = np.arange(1, lags + 1)
    window = np.where(lag / lags <= 0.5, 1.0, 2 * (1 - lag / lags))
    spectrum = covariances[0] + 2 * float((window * covariances[1 : lags + 1]).sum())
    slope = 2 * float((window * lag * covariances[1 : lags + 1]).sum())
    if spectrum == 0:
        return 1.0
    best = (slope**2 / spectrum**2) ** (1 / 3) * n ** (1 / 3)
    return float(min(max(best, 1.0), math.ceil(min(3 * math.sqrt(n), n / 3))))


def _window_width(centred: "Floats", covariances: "Floats", most: int) -> int:
    """Return twice the first lag from which on five correlations in a row are insignificant; ``most`` without any."""
    import numpy as np

    n = len(centred)
    squares = np.cumsum(centred**2)
    pairs = [(squares[-1] - squares[lag]) * squares[n - lag - 2] for lag in range(most + 1)]
    small = np.abs(covariances) * n < 2 * math.sqrt(math.log10(n) / n) * np.sqrt(pairs)
    for lag in range(most + 1 - _INSIGNIFICANT):
        if small[lag : lag + _INSIGNIFICANT].all():
            return 2 * max(lag, 1)
    return most


def draws(length: int, *, block: float, resamples: int, seed: int) -> Iterator[tuple["Numbers", "Mask"]]:
    """Yield resamples in portions: indices (rows: resamples), and where a block begins.

    Args:
        block: mean length of the blocks, at least 1; 1 is the independent bootstrap.
        seed: the same seed gives the same resamples, whatever they are drawn for: differences are paired.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    position = np.arange(length)
    left = resamples
    while left > 0:
        rows = min(left, max(1, _AT_ONCE // length))
        begins = random.random((rows, length)) < 1 / block
        begins[:, 0] = True
        starts = random.integers(0, length, (rows, length))
        first = np.maximum.accumulate(np.where(begins, position, 0), axis=1)
        yield (np.take_along_axis(starts, first, axis=1) + position - first) % length, begins
        left -= rows


def mean_variance(series: "Floats", *, block: float) -> float:
    """Return the variance of the series' mean as the stationary bootstrap has it, in closed form.

    Politis & Romano 1994, lemma 1. Never less than what independence of opposite values could make of it: where
    the weighted sum is not positive, the variance of independent values stands in.
    """
    import numpy as np

    n = len(series)
    spectrum = np.abs(np.fft.rfft(series - series.mean())) ** 2
    circular = np.fft.irfft(spectrum, n) / n
    lag = np.arange(1, n)
    weights = (1 - lag / n) * (1 - 1 / block) ** lag + lag / n * (1 - 1 / block) ** (n - lag)
    total = circular[0] + float((weights * circular[1:]).sum())
    return float(total if total > 0 else circular[0]) / n


def studentised_bound(series: "Floats", *, block: float, level: float, resamples: int, seed: int) -> float:
    """Return the ``level`` quantile of \\|t\\| of the resampled mean, t by the blocks' own variance.

    Götze & Künsch 1996: a resample's variance is that of its blocks' sums, because within a resample nothing but
    the blocks is independent. 1.96 for many blocks of a normal series, more for few of them.
    """
    import numpy as np

    n = len(series)
    centred = series - series.mean()
    found: list[Floats] = []
    for indices, begins in draws(n, block=block, resamples=resamples, seed=seed):
        drawn = centred[indices]
        means = drawn.mean(axis=1)
        flat = np.flatnonzero(begins.ravel())
        sums = np.add.reduceat((drawn - means[:, None]).ravel(), flat)
        firsts = np.searchsorted(flat, np.arange(len(means)) * n)
        variances = np.add.reduceat(sums**2, firsts) / n**2
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(np.abs(means) / np.sqrt(variances))
    t = np.concatenate(found)
    return float(np.quantile(np.where(np.isnan(t), 0.0, t), level, method="higher"))
