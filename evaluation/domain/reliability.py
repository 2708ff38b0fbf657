"""How often what was stated came true: equal-mass bins, and the monotone curve that assumes nothing else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy.typing as npt

    from evaluation.domain.resampling import Floats, Numbers

BINS = 10
_BAND_RESAMPLES = 400
_BAND_POINTS = 100


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of the histogram: stated and observed means; ``low`` and ``high`` bound what was observed."""

    count: int
    stated: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One step of the reliability curve, up to ``confidence``.

    Args:
        calibrated: how often what was stated so came true.
        band_low: where that would lie, in 90 % of all samples of this size, if what was stated were true.
    """

    confidence: float
    calibrated: float
    band_low: float
    band_high: float
    count: int


def equal_mass_bins(confidence: "Floats", *, bins: int = BINS) -> "Numbers":
    """Return each observation's bin, from 0; as many in each as ties allow, which are never parted.

    Models state round numbers: of a thousand answers half may say 0.75, and these are one bin.
    """
    import numpy as np

    levels, level, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    if len(levels) <= bins:
        return np.asarray(level, dtype=np.int64)
    middle = np.cumsum(counts) - counts / 2
    wanted = np.minimum((middle * bins / len(confidence)).astype(np.int64), bins - 1)
    _, dense = np.unique(wanted, return_inverse=True)
    return np.asarray(dense[level], dtype=np.int64)


def bin_means(values: "Floats", bin_of: "Numbers") -> tuple["Floats", "Floats"]:
    """Return count and mean of each bin."""
    import numpy as np

    counts = np.bincount(bin_of).astype(np.float64)
    return counts, np.bincount(bin_of, weights=values) / counts


def monotone(values: "Floats", weights: "Floats") -> "Floats":
    """Return the nearest sequence that never falls: pool adjacent violators (Ayer et al. 1955)."""
    import numpy as np

    means: list[float] = []
    masses: list[float] = []
    lengths: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, length = value, weight, 1
        while means and means[-1] >= mean:
            before, weighs = means.pop(), masses.pop()
            whole = mass + weighs
            # Levels without weight bend to their neighbours.
            mean = (mean * mass + before * weighs) / whole if whole > 0 else before
            mass, length = whole, length + lengths.pop()
        means.append(mean)
        masses.append(mass)
        lengths.append(length)
    return np.repeat(np.asarray(means, dtype=np.float64), lengths)


def reliability_bins(confidence: "Floats", right: "Floats", *, n_effective: float) -> tuple[Bin, ...]:
    """Return the equal-mass bins with Wilson's 95 % interval, each bin's count shrunk as all of them are."""
    import numpy as np

    bin_of = equal_mass_bins(confidence)
    counts, stated = bin_means(confidence, bin_of)
    _, observed = bin_means(right, bin_of)
    tries = counts * min(1.0, n_effective / len(confidence))
    z2 = 1.959964**2
    middle = (observed + z2 / (2 * tries)) / (1 + z2 / tries)
    half = np.sqrt(z2 * (observed * (1 - observed) / tries + z2 / (4 * tries**2))) / (1 + z2 / tries)
    rows = zip(counts, stated, observed, middle - half, middle + half, strict=True)
    return tuple(
        Bin(int(n), float(s), float(o), max(0.0, float(a)), min(1.0, float(b))) for n, s, o, a, b in rows
    )


def reliability_curve(
    confidence: "Floats", right: "Floats", *, n_effective: float, seed: int
) -> tuple[CurvePoint, ...]:
    """Return the CORP curve: PAVA, with its consistency band (Dimitriadis, Gneiting & Jordan 2021).

    The band is drawn by resampling outcomes as if what was stated were true, with the effective number of tries.
    """
    import numpy as np

    _, level = np.unique(confidence, return_inverse=True)
    counts = np.bincount(level).astype(np.float64)
    curve = monotone(np.bincount(level, weights=right) / counts, counts)
    # A point of less than five effective tries would have a band of its own rounding.
    group = equal_mass_bins(confidence, bins=min(_BAND_POINTS, max(BINS, int(n_effective / 5))))
    tried, stated = bin_means(confidence, group)
    _, means = bin_means(curve[level], group)
    calibrated = np.maximum.accumulate(means)  # rounding of means alone makes them fall
    low, high = _consistency_band(stated, tried * min(1.0, n_effective / len(confidence)), seed)
    last = np.maximum.reduceat(np.sort(confidence), np.r_[0, np.cumsum(tried)[:-1]].astype(np.int64))
    rows = zip(last, calibrated, low, high, tried, strict=True)
    return tuple(CurvePoint(float(c), float(p), float(a), float(b), int(n)) for c, p, a, b, n in rows)


def _consistency_band(stated: "Floats", tries: "Floats", seed: int) -> tuple["Floats", "Floats"]:
    import numpy as np

    random = np.random.default_rng(seed)
    whole: npt.NDArray[np.int64] = np.maximum(np.round(tries), 1).astype(np.int64)
    drawn = random.binomial(whole, np.clip(stated, 0, 1), (_BAND_RESAMPLES, len(stated))) / whole
    curves = np.array([monotone(each, tries) for each in drawn])
    low, high = np.quantile(curves, [0.05, 0.95], axis=0)
    return low, high
