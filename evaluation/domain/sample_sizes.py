"""How much must be seen before anything can be told: the numbers behind "when could there be a verdict".

All count independent observations; overlapping labels and sessions that move together need more, by n over n effective.
"""

import math
from statistics import NormalDist

from evaluation.domain.figures import Figure

LEVEL, POWER = 0.95, 0.80
_NORMAL = NormalDist()


def _reach(level: float, power: float) -> float:
    """Return in how many standard errors an effect must lie to be seen so often, two-sided."""
    return _NORMAL.inv_cdf((1 + level) / 2) + _NORMAL.inv_cdf(power)


def for_mean(effect: float, deviation: float, *, level: float = LEVEL, power: float = POWER) -> int | None:
    """Return how many observations show that a mean is not 0; None where there is no effect to be shown."""
    if effect == 0 or deviation < 0:
        return None
    return max(2, math.ceil((_reach(level, power) * deviation / effect) ** 2))


def for_share(
    share: float, against: float = 0.5, *, level: float = LEVEL, power: float = POWER
) -> int | None:
    """Return how many decisions show that a share is not ``against`` (Fleiss, Levin & Paik 2003, 2.4)."""
    if share == against or not (0 < share < 1 and 0 < against < 1):
        return None
    expected = _NORMAL.inv_cdf((1 + level) / 2) * math.sqrt(against * (1 - against))
    seen = _NORMAL.inv_cdf(power) * math.sqrt(share * (1 - share))
    return math.ceil(((expected + seen) / (share - against)) ** 2)


def for_information_coefficient(
    coefficient: float, *, symbols: int, horizon: int = 1, level: float = LEVEL, power: float = POWER
) -> int | None:
    """Return how many sessions show a mean rank correlation of ``symbols`` names; labels overlap by ``horizon``.

    Without skill a session's rank correlation has the variance 1 / (symbols - 1). Overlap multiplies by the horizon,
    which is right where opinions last as long and too careful where they do not.
    """
    if symbols < 3:
        return None
    needed = for_mean(coefficient, 1 / math.sqrt(symbols - 1), level=level, power=power)
    return None if needed is None else needed * horizon


def for_sharpe(
    annual: float, *, periods: int = 252, skew: float = 0.0, kurtosis: float = 3.0, level: float = LEVEL
) -> int | None:
    """Return the minimum track record length in returns: a Sharpe ratio above 0, one-sided.

    Bailey & López de Prado 2012: 1 + (1 - skew·SR + (kurtosis - 1)/4·SR²)·(z/SR)², SR of one period.
    """
    ratio = annual / math.sqrt(periods)
    if ratio <= 0:
        return None
    shape = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return math.ceil(1 + shape * (_NORMAL.inv_cdf(level) / ratio) ** 2)


def until_told(figure: Figure, *, seen: int, against: float = 0.0) -> int | None:
    """Return how many sessions in all would tell the estimate from ``against``, if it stays where it is.

    The interval shrinks with the root of time. ``seen`` where it is told already; None where nothing is known, or the
    estimate is there exactly.
    """
    if figure.value is None or figure.low is None or figure.high is None or figure.value == against:
        return None
    if figure.excludes(against):
        return seen
    half = max(figure.high - figure.value, figure.value - figure.low)
    return math.ceil(seen * (half / abs(figure.value - against)) ** 2)
