"""Logistic regression by Newton's method: a handful of coefficients, weights, a ridge towards where it begins."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.domain.resampling import Floats

# A stated 0 or 1 that is wrong once has an infinite loss; what is nearer to certain than this is taken for this.
NEAREST_TO_CERTAIN = 0.001
_STEPS = 60
_ENOUGH = 1e-10
_FURTHEST = 35.0  # e^35: beyond it a probability is 0 or 1 in floating point


def uncertain(confidence: "Floats") -> "Floats":
    """Return the confidences, none nearer to 0 or 1 than ``NEAREST_TO_CERTAIN``."""
    import numpy as np

    return np.clip(confidence, NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN)


def log_odds(confidence: "Floats") -> "Floats":
    """Return log(p / (1 - p)) of ``uncertain`` confidences."""
    import numpy as np

    inside = uncertain(confidence)
    return np.asarray(np.log(inside) - np.log1p(-inside), dtype=np.float64)


def expected(design: "Floats", coefficients: "Floats") -> "Floats":
    """Return the probabilities of the rows of ``design``; of a batch of coefficients, a row for each."""
    import numpy as np

    linear = np.clip(coefficients @ design.T, -_FURTHEST, _FURTHEST)
    return np.asarray(1 / (1 + np.exp(-linear)), dtype=np.float64)


def fit(design: "Floats", trials: "Floats", hits: "Floats", *, start: "Floats", ridge: float) -> "Floats":
    """Return the coefficients that make the hits likeliest, less ridge/2 times the square of their way from ``start``.

    Args:
        design: one row for each level, one column for each coefficient.
        trials: how often each level was tried; may have a first axis more, of problems solved at once.
        hits: how often it was right, in the shape of ``trials``.
        ridge: at least a little, so that there is an answer where all hits are on one side.
    """
    import numpy as np

    tried, hit = np.atleast_2d(trials), np.atleast_2d(hits)
    width = design.shape[1]
    found = np.tile(start, (len(tried), 1))
    squares = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    for _ in range(_STEPS):
        probability = expected(design, found)
        slope = (hit - tried * probability) @ design - ridge * (found - start)
        curvature = ((tried * probability * (1 - probability)) @ squares).reshape(-1, width, width)
        step = np.linalg.solve(curvature + ridge * np.eye(width), slope[:, :, None])[:, :, 0]
        # A full step may overshoot where probabilities are near 0 or 1.
        longest = np.abs(step).max(axis=1, keepdims=True)
        found = found + step * np.minimum(1.0, 5.0 / np.maximum(longest, _ENOUGH))
        if float(longest.max()) < _ENOUGH:
            break
    return found[0] if np.ndim(trials) == 1 else found
