"""What a stated confidence is worth: maps from stated to observed, and which of them has earned its use.

All work on confidences rounded to a hundredth, as models state them: a map is 101 probabilities, and a thousand fits
of a bootstrap are one. Sources: docs/metrics.md.
"""

import enum
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.domain.intervals import MIN_SESSIONS
from evaluation.domain.logistic import expected, fit, uncertain
from evaluation.domain.reliability import bin_means, equal_mass_bins, monotone
from evaluation.domain.resampling import mean_variance
from evaluation.domain.scores import losses

if TYPE_CHECKING:
    from evaluation.domain.observations import Judged
    from evaluation.domain.resampling import Floats, Mask, Numbers

LEVELS = 101
FOLDS = 5
# Below it only the base rate can be learnt; from the other on a free curve does not overfit (scikit-learn's advice).
LEAST_FOR_CURVES, LEAST_FOR_ISOTONIC = 100, 1_000
# Decisions that a stated confidence counts for against the base rate, and a ridge of as much.
_PRIOR = 1.0
_STANDARD_ERRORS = 3.0


class Method(enum.StrEnum):
    """How stated confidences are mapped; the first is to believe them."""

    STATED = "stated"
    BASE_RATE = "base_rate"
    PLATT = "platt"
    BETA = "beta"
    ISOTONIC = "isotonic"


@dataclass(frozen=True, slots=True)
class Recalibration:
    """A map from stated confidence to probability.

    Args:
        probabilities: at 0, 0.01, …, 1; rising.
        gain: mean log loss of what was stated less that of this map, forward in time; 0 of ``STATED``.
        tried: methods that were compared, with their forward log loss.
    """

    method: Method
    probabilities: tuple[float, ...]
    gain: float = 0.0
    tried: tuple[tuple[Method, float], ...] = ()

    def apply(self, confidence: "Floats") -> "Floats":
        """Return the probabilities of stated confidences."""
        import numpy as np

        return np.asarray(self.probabilities, dtype=np.float64)[level_of(confidence)]


def level_of(confidence: "Floats") -> "Numbers":
    """Return the confidences in hundredths."""
    import numpy as np

    return np.asarray(np.rint(confidence * (LEVELS - 1)), dtype=np.int64)


def counted(sample: "Judged") -> tuple["Floats", "Floats"]:
    """Return tries and hits of each of the 101 levels."""
    import numpy as np

    level = level_of(sample.confidence)
    tries = np.bincount(level, minlength=LEVELS).astype(np.float64)
    return tries, np.bincount(level, weights=sample.right, minlength=LEVELS).astype(np.float64)


def fitted(method: Method, tries: "Floats", hits: "Floats") -> "Floats":
    """Return the probabilities of the 101 levels by one method, of one problem or of a batch (a row each).

    ``BASE_RATE``: all levels alike. ``PLATT``: log odds linear in log odds (Platt 1999). ``BETA``: in log p and
    log(1 - p) apart, which can be S-shaped (Kull, Silva Filho & Flach 2017). ``ISOTONIC``: PAVA. A falling curve is
    made flat: a higher confidence is never worth less.
    """
    import numpy as np

    if method is Method.STATED:
        return np.broadcast_to(_stated(), tries.shape).copy()
    if method is Method.BASE_RATE:
        rate = (hits.sum(-1) + _PRIOR / 2) / (tries.sum(-1) + _PRIOR)
        return np.repeat(np.asarray(rate)[..., None], LEVELS, axis=-1)
    if method is Method.ISOTONIC:
        curves = [_isotonic(n, k) for n, k in zip(np.atleast_2d(tries), np.atleast_2d(hits), strict=True)]
        return np.asarray(curves[0] if tries.ndim == 1 else curves, dtype=np.float64)
    design, start = _design(method)
    curve = expected(design, fit(design, tries, hits, start=start, ridge=_PRIOR))
    return np.asarray(_rising(curve, tries), dtype=np.float64)


def _stated() -> "Floats":
    import numpy as np

    return np.linspace(0.0, 1.0, LEVELS)


def _design(method: Method) -> tuple["Floats", "Floats"]:
    """Return the rows of the levels, and the coefficients that change nothing."""
    import numpy as np

    stated = uncertain(_stated())
    high, low = np.log(stated), -np.log1p(-stated)
    if method is Method.PLATT:
        return np.column_stack([np.ones(LEVELS), high + low]), np.array([0.0, 1.0])
    return np.column_stack([np.ones(LEVELS), high, low]), np.array([0.0, 1.0, 1.0])


def _isotonic(tries: "Floats", hits: "Floats") -> "Floats":
    """Return PAVA over the levels that were tried; between them linear, beyond them flat."""
    import numpy as np

    tried = np.flatnonzero(tries)
    if not len(tried):
        return _stated()
    curve = monotone(hits[tried] / tries[tried], tries[tried])
    return np.asarray(np.interp(np.arange(LEVELS), tried, curve), dtype=np.float64)


def _rising(curve: "Floats", tries: "Floats") -> "Floats":
    import numpy as np

    rows, weights = np.atleast_2d(curve), np.atleast_2d(tries)
    falls = (np.diff(rows, axis=-1) < 0).any(axis=-1)
    for row in np.flatnonzero(falls):
        rows[row] = monotone(rows[row], weights[row] + 1e-9)
    return rows[0] if curve.ndim == 1 else rows


def allowed(n_effective: float) -> tuple[Method, ...]:
    """Return the methods that so much evidence can carry."""
    if n_effective < LEAST_FOR_CURVES:
        return (Method.STATED, Method.BASE_RATE)
    smooth = (Method.STATED, Method.BASE_RATE, Method.PLATT, Method.BETA)
    return (*smooth, Method.ISOTONIC) if n_effective >= LEAST_FOR_ISOTONIC else smooth


def forward_parts(sessions: "Numbers", *, purge: int) -> Iterator[tuple["Mask", "Mask"]]:
    """Yield masks of what is learnt from and what it is tried on: always later, in ``FOLDS`` parts of the sessions.

    Args:
        purge: sessions left out between them, at least the horizon: labels that were not known yet.
    """
    import numpy as np

    first, last = int(sessions.min()), int(sessions.max())
    edges = np.linspace(first, last + 1, FOLDS + 2)[1:]
    for begin, end in itertools.pairwise(edges):
        learnt, tried = sessions < begin - purge, (sessions >= begin) & (sessions < end)
        if learnt.any() and tried.any():
            yield learnt, tried


def choose(sample: "Judged", *, purge: int, n_effective: float) -> Recalibration:
    """Return the map with the least log loss forward in time, fitted on all; what is stated where none is better.

    A map must beat what is stated by more than three standard errors of the difference, over as many sessions as an
    interval needs: learning noise costs more than believing a good forecaster.
    """
    import numpy as np

    parts = list(forward_parts(sample.sessions, purge=purge)) if len(sample) else []
    if not parts:
        return Recalibration(Method.STATED, tuple(_stated().tolist()))
    tried = np.concatenate([np.flatnonzero(later) for _, later in parts])
    numbers = sample.sessions[tried] - sample.sessions[tried].min()
    enough = len(np.unique(numbers)) >= MIN_SESSIONS
    methods = allowed(n_effective) if enough else (Method.STATED,)
    lost = {method: np.concatenate([_losses(method, sample, *part) for part in parts]) for method in methods}
    best, gain = Method.STATED, 0.0
    for method in methods[1:]:
        ahead = lost[Method.STATED] - lost[method]
        by_session = np.bincount(numbers, weights=ahead) * ((numbers.max() + 1) / len(ahead))
        variance = mean_variance(by_session, block=float(max(1, purge)))
        if ahead.mean() > max(gain, _STANDARD_ERRORS * variance**0.5):
            best, gain = method, float(ahead.mean())
    curve = fitted(best, *counted(sample))
    return Recalibration(
        best, tuple(curve.tolist()), gain, tuple((each, float(lost[each].mean())) for each in methods)
    )


def _losses(method: Method, sample: "Judged", learnt: "Mask", tried: "Mask") -> "Floats":
    """Return the log losses on the later part of a map learnt on the earlier one."""
    later = sample.where(tried)
    if method is Method.STATED:
        return losses(later.confidence, later.right)
    curve = fitted(method, *counted(sample.where(learnt)))
    return losses(curve[level_of(later.confidence)], later.right)


def held_out_signs(sample: "Judged", *, purge: int) -> "Floats":
    """Return for each decision whether others say that its bin is stated too low (1) or too high (-1).

    Blocks of sessions take turns to be left out, with ``purge`` sessions on either side; beta calibration of the rest
    says on which side of the stated mean each equal-mass bin lies.
    """
    import numpy as np

    sessions = sample.sessions
    bin_of = equal_mass_bins(sample.confidence)
    _, stated = bin_means(sample.confidence, bin_of)
    edges: Sequence[float] = np.linspace(sessions.min(), sessions.max() + 1, FOLDS + 1).tolist()
    signs = np.zeros(len(sample))
    for begin, end in itertools.pairwise(edges):
        held = (sessions >= begin) & (sessions < end)
        others = (sessions < begin - purge) | (sessions >= end + purge)
        if not held.any() or not others.any():
            continue
        curve = fitted(Method.BETA, *counted(sample.where(others)))
        side = np.sign(np.interp(stated, _stated(), curve) - stated)
        signs[held] = side[bin_of[held]]
    return signs
