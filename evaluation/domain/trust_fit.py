"""From outcomes to a trust curve: what a stated confidence has been worth at least."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from evaluation.domain.intervals import Basis, mean_figure, numbered, too_few
from evaluation.domain.recalibration import (
    LEAST_FOR_CURVES,
    LEVELS,
    Method,
    choose,
    counted,
    fitted,
    level_of,
)
from evaluation.domain.resampling import block_length, draws
from risk.domain.trust import Knot

if TYPE_CHECKING:
    from evaluation.domain.observations import Judged
    from evaluation.domain.resampling import Floats

REFERENCE = Decimal("0.60")
_LEAST_WAY = Decimal("0.05")  # from break-even to full size
_TAIL = 0.10
_RESAMPLES = 400
_LEAST_ABOVE = 10  # decisions that a level's knot must rest on
_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class TrustFit:
    """What a curve is published from.

    Args:
        knots: none where there is too little to say anything; ``reason`` then says what is missing.
        method: of the bound; never what is stated, which would let a claim stand for its proof.
        n_effective: independent decisions in all.
    """

    knots: tuple[Knot, ...]
    method: Method
    n: int
    n_effective: float
    sessions: int
    reason: str = ""


def fit_trust(sample: "Judged", basis: Basis) -> TrustFit:
    """Return the knots of a curve: calibrated probability and its 10 % lower bound at each stated hundredth.

    The bound is of the recalibrated probability, fitted anew to blocks of sessions drawn again. Only outcomes that may
    raise trust belong in ``sample``: none from inside a language model's training.
    """
    import numpy as np

    sessions = len(np.unique(sample.sessions))
    reason = too_few(sample.sessions, basis)
    if reason:
        return TrustFit((), Method.BASE_RATE, len(sample), 0.0, sessions, reason)
    figure = mean_figure(sample.right, sample.sessions, basis)
    effective = figure.n_effective
    method = choose(sample, purge=basis.horizon, n_effective=effective).method
    if method is Method.STATED:
        method = Method.PLATT if effective >= LEAST_FOR_CURVES else Method.BASE_RATE
    tries, hits = counted(sample)
    probability = fitted(method, tries, hits)
    low = np.minimum(np.quantile(_refitted(sample, method, basis), _TAIL, axis=0), probability)
    above = np.cumsum(tries[::-1])[::-1]
    carried = [level for level in np.flatnonzero(tries).tolist() if above[level] >= _LEAST_ABOVE]
    share = effective / len(sample)
    knots = tuple(
        Knot(
            Decimal(level) / (LEVELS - 1),
            _decimal(probability[level]),
            _decimal(low[level]),
            _decimal(above[level] * share),
        )
        for level in carried
    )
    return TrustFit(knots, method, len(sample), effective, sessions)


def _refitted(sample: "Judged", method: Method, basis: Basis) -> "Floats":
    """Return the map fitted to each resample of sessions, a row each."""
    import numpy as np

    numbers, level = numbered(sample.sessions), level_of(sample.confidence)
    span = int(numbers.max()) + 1
    place = numbers * LEVELS + level
    tries = np.bincount(place, minlength=span * LEVELS).reshape(span, LEVELS).astype(np.float64)
    hits = np.bincount(place, weights=sample.right, minlength=span * LEVELS).reshape(span, LEVELS)
    rate = hits.sum() / tries.sum()
    series = hits.sum(axis=1) - rate * tries.sum(axis=1)
    block = max(block_length(series), float(basis.shortest_block))
    curves = []
    for indices, _ in draws(span, block=block, resamples=_RESAMPLES, seed=basis.seed):
        rows = np.arange(len(indices))[:, None] * span
        drawn = np.bincount((indices + rows).ravel(), minlength=len(indices) * span)
        weights = drawn.reshape(len(indices), span).astype(np.float64)
        curves.append(fitted(method, weights @ tries, weights @ hits))
    return np.concatenate(curves)


def break_even(net_returns: Sequence[Decimal]) -> tuple[Decimal, Decimal] | None:
    """Return how often a decision must be right to earn nothing, and how often for its full size.

    Mean loss over mean loss and mean win, of excess returns after costs. None without both wins and losses.
    """
    wins = [each for each in net_returns if each > 0]
    losses = [-each for each in net_returns if each < 0]
    if not wins or not losses:
        return None
    win, loss = sum(wins, Decimal(0)) / len(wins), sum(losses, Decimal(0)) / len(losses)
    even = (loss / (win + loss)).quantize(_PLACES)
    return even, max(REFERENCE, min(even + _LEAST_WAY, Decimal(1)))


def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number))).quantize(_PLACES)
