"""Scores of stated confidences: each the estimate and what every decision adds to it (its influence).

An influence has mean 0; the estimate is the truth and the mean of influences but for what vanishes faster. That is
all an interval needs (``intervals.linear_figure``). Formulas and sources: docs/metrics.md.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.domain.logistic import expected, fit, log_odds, uncertain
from evaluation.domain.reliability import bin_means, equal_mass_bins

if TYPE_CHECKING:
    from evaluation.domain.observations import Judged
    from evaluation.domain.resampling import Floats, Numbers

_TINY_RIDGE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """An estimate and its influences."""

    value: float
    influence: "Floats"


def mean_score(values: "Floats") -> Score:
    """Return the mean."""
    centre = float(values.mean())
    return Score(centre, values - centre)


def brier(sample: "Judged") -> Score:
    """Return the mean squared difference of confidence and label; 0 is perfect, 0.25 says 0.5 always."""
    return mean_score((sample.confidence - sample.right) ** 2)


def log_loss(sample: "Judged") -> Score:
    """Return the mean negative log likelihood, of ``uncertain`` confidences."""
    return mean_score(losses(sample.confidence, sample.right))


def losses(confidence: "Floats", right: "Floats") -> "Floats":
    """Return the negative log likelihood of each label."""
    import numpy as np

    inside = uncertain(confidence)
    return -(right * np.log(inside) + (1 - right) * np.log1p(-inside))


def decomposition(sample: "Judged") -> dict[str, Score]:
    """Return the parts of the Brier score: reliability - resolution + uncertainty + within_bins (Murphy 1973).

    The last is what Murphy's three leave out where a bin holds different confidences (Stephenson, Coelho &
    Jolliffe 2008: their variance, less twice the covariance with the label); 0 where a bin is one confidence.
    """
    p, y = sample.confidence, sample.right
    bin_of = equal_mass_bins(p)
    counts, stated = bin_means(p, bin_of)
    _, observed = bin_means(y, bin_of)
    share, base = counts / len(p), float(y.mean())
    gap, apart = stated - observed, observed - base
    reliability, resolution = float(share @ gap**2), float(share @ apart**2)
    uncertainty = base * (1 - base)
    p_apart, y_apart = p - stated[bin_of], y - observed[bin_of]
    within = p_apart**2 - 2 * p_apart * y_apart
    gaps, aparts = gap[bin_of], apart[bin_of]
    return {
        "reliability": Score(reliability, 2 * gaps * (p - y) - gaps**2 - reliability),
        "resolution": Score(resolution, 2 * aparts * (y - base) - aparts**2 - resolution),
        "uncertainty": Score(uncertainty, (1 - 2 * base) * (y - base)),
        "within_bins": Score(float(within.mean()), within - within.mean()),
    }


def brier_skill(sample: "Judged") -> Score | None:
    """Return 1 - Brier / (Brier of always stating the sample's own base rate); None where all are alike."""
    y, score = sample.right, brier(sample)
    base = float(y.mean())
    reference = base * (1 - base)
    if reference == 0:
        return None
    slope = (1 - 2 * base) * (y - base)
    influence = score.value / reference**2 * slope - score.influence / reference
    return Score(1 - score.value / reference, influence)


def auc(sample: "Judged") -> Score | None:
    """Return how often a right decision was stated higher than a wrong one, ties by half; None where all are alike.

    Mann & Whitney 1947; influences are the placements of DeLong, DeLong & Clarke-Pearson 1988.
    """
    import numpy as np

    levels, level = np.unique(sample.confidence, return_inverse=True)
    hits = np.bincount(level, weights=sample.right, minlength=len(levels))
    misses = np.bincount(level, weights=1 - sample.right, minlength=len(levels))
    if not hits.sum() or not misses.sum():
        return None
    above = (np.cumsum(misses) - misses / 2) / misses.sum()
    below = 1 - (np.cumsum(hits) - hits / 2) / hits.sum()
    value = float(hits @ above / hits.sum())
    rate = float(sample.right.mean())
    placed = np.where(sample.right == 1, (above[level] - value) / rate, (below[level] - value) / (1 - rate))
    return Score(value, placed)


def cox(sample: "Judged") -> tuple[Score, Score] | None:
    """Return intercept and slope of the labels' log odds on the stated ones; (0, 1) is calibrated (Cox 1958).

    A slope below 1 is overconfident: stated odds are further from even than true ones. None where all labels or
    all confidences are alike.
    """
    import numpy as np

    odds = log_odds(sample.confidence)
    if np.ptp(odds) == 0 or np.ptp(sample.right) == 0:
        return None
    design = np.column_stack([np.ones(len(odds)), odds])
    levels, level = np.unique(odds, return_inverse=True)
    found = fit(
        np.column_stack([np.ones(len(levels)), levels]),
        np.bincount(level).astype(np.float64),
        np.bincount(level, weights=sample.right).astype(np.float64),
        start=np.array([0.0, 1.0]),
        ridge=_TINY_RIDGE,
    )
    probability = expected(design, found)
    curvature = (design * (probability * (1 - probability))[:, None]).T @ design / len(odds)
    influences = design * (sample.right - probability)[:, None] @ np.linalg.pinv(curvature)
    return Score(float(found[0]), influences[:, 0]), Score(float(found[1]), influences[:, 1])


def plug_in_ece(sample: "Judged") -> Score:
    """Return the expected calibration error over equal-mass bins as it is usually computed.

    It cannot be 0: a perfect forecaster shows 0.05 at 500 decisions. Shown beside ``debiased_ece`` for comparison.
    """
    import numpy as np

    bin_of = equal_mass_bins(sample.confidence)
    _, stated = bin_means(sample.confidence, bin_of)
    _, observed = bin_means(sample.right, bin_of)
    signs = np.sign(observed - stated)[bin_of]
    return mean_score(signs * (sample.right - sample.confidence))


def debiased_ece(sample: "Judged", signs: "Floats") -> Score:
    """Return the expected calibration error without the noise that binning adds.

    The error is the largest mean of s(p)·(label - p) over functions s of the confidence that are -1 or 1. Where s
    is chosen without the decision it is applied to, noise has mean 0. It may come out a little below 0: nothing found.

    Args:
        signs: for each decision -1, 0 or 1, one for each bin and fold (``recalibration.held_out_signs``).
    """
    return mean_score(signs * (sample.right - sample.confidence))


def information_coefficients(
    signed: "Floats", excess: "Floats", sessions: "Numbers", *, least: int
) -> tuple["Floats", "Numbers"]:
    """Return the rank correlation (Spearman 1904) within each session that can have one, and those sessions.

    Args:
        signed: confidence of a buy, minus that of a sell, 0 of a hold.
        excess: return of the symbol less that of the universe, over the horizon.
        least: symbols that a session needs.
    """
    import numpy as np

    order = np.argsort(sessions, kind="stable")
    numbers, firsts = np.unique(sessions[order], return_index=True)
    found, kept = [], []
    for number, rows in zip(numbers, np.split(order, firsts[1:]), strict=True):
        if len(rows) < least:
            continue
        a, b = midranks(signed[rows]), midranks(excess[rows])
        spread = float(a @ a) * float(b @ b)
        if spread > 0:
            found.append(float(a @ b) / spread**0.5)
            kept.append(number)
    return np.asarray(found, dtype=np.float64), np.asarray(kept, dtype=np.int64)


def midranks(values: "Floats") -> "Floats":
    """Return ranks less their mean; equal values share the middle of theirs."""
    import numpy as np

    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(ranks[level] - (len(values) + 1) / 2, dtype=np.float64)
