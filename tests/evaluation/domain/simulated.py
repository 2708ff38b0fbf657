"""Simulated agents of which the truth is known: forecasts, returns and ranks whose labels overlap and move together."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from evaluation.domain.observations import Judged

Floats = npt.NDArray[np.float64]
HORIZON, SYMBOLS = 5, 10
DRIFT = 0.01
SKILL = 0.1


def overlapping(steps: Floats, horizon: int) -> Floats:
    """Return sums over ``horizon`` rows, of each row and those after it."""
    sums = np.cumsum(np.vstack([np.zeros((1, steps.shape[1])), steps]), axis=0)
    return np.asarray(sums[horizon:] - sums[:-horizon])


def lasting(random: np.random.Generator, sessions: int, symbols: int, persistence: float = 0.8) -> Floats:
    """Return standard normal opinions that last, a column for each symbol."""
    rows, now = [], random.standard_normal(symbols)
    for _ in range(sessions):
        rows.append(now)
        now = persistence * now + math.sqrt(1 - persistence**2) * random.standard_normal(symbols)
    return np.array(rows)


def numbers(sessions: int, symbols: int = SYMBOLS) -> npt.NDArray[np.int64]:
    """Return the session of each observation."""
    return np.repeat(np.arange(sessions), symbols)


def forecasts(
    seed: Any,
    sessions: int,
    *,
    stated: Callable[[Floats], Floats] = lambda u: scipy.special.ndtr(0.8 * u + 0.3),
    true: Callable[[Floats], Floats] = lambda u: scipy.special.ndtr(0.25 * u),
    symbols: int = SYMBOLS,
    horizon: int = HORIZON,
    common: float = 0.3,
) -> Judged:
    """Return judged decisions: of a lasting opinion u, what is stated and how likely it is; outcomes move together."""
    random = np.random.default_rng(seed)
    rows = sessions + horizon - 1
    shared, own = random.standard_normal((rows, 1)), random.standard_normal((rows, symbols))
    outcome = overlapping(math.sqrt(common) * shared + math.sqrt(1 - common) * own, horizon)
    opinion = lasting(random, sessions, symbols)
    right = scipy.special.ndtr(outcome / math.sqrt(horizon)) < true(opinion)
    return Judged(stated(opinion).ravel(), right.astype(np.float64).ravel(), numbers(sessions, symbols))


def true_brier() -> float:
    """Return the expected Brier score of ``forecasts`` as they are by default."""
    opinion = np.linspace(-8, 8, 200_001)
    weight = np.exp(-(opinion**2) / 2)
    stated, true = scipy.special.ndtr(0.8 * opinion + 0.3), scipy.special.ndtr(0.25 * opinion)
    return float(weight @ ((stated - true) ** 2 + true * (1 - true)) / weight.sum())


def excesses(seed: Any, sessions: int) -> Floats:
    """Return excess returns around ``DRIFT``, a row a session: GARCH(1, 1), a common factor, overlapping labels."""
    random = np.random.default_rng(seed)
    rows, warm = sessions + HORIZON - 1, 50
    shocks = random.standard_normal(rows + warm)
    variance, scale = 1.0, np.empty(rows + warm)
    for row, shock in enumerate(shocks):
        scale[row] = math.sqrt(variance)
        variance = 0.05 + 0.1 * (scale[row] * shock) ** 2 + 0.85 * variance
    own = random.standard_normal((rows + warm, SYMBOLS))
    steps = scale[:, None] * (math.sqrt(0.2) * shocks[:, None] + math.sqrt(0.8) * own)
    return DRIFT + overlapping(0.01 * steps[warm:], HORIZON)


def opinions(seed: Any, sessions: int) -> tuple[Floats, Floats]:
    """Return signals and the returns they foretell with correlation ``SKILL``, a row a session, both lasting."""
    random = np.random.default_rng(seed)
    steps = random.standard_normal((sessions + HORIZON - 1, SYMBOLS))
    later = overlapping(steps, HORIZON) / math.sqrt(HORIZON)
    return SKILL * later + math.sqrt(1 - SKILL**2) * lasting(random, sessions, SYMBOLS), later


def true_coefficient() -> float:
    """Return the expected rank correlation of ``opinions``, of ``SYMBOLS`` names (Kendall & Gibbons 1990)."""
    inner = math.asin(SKILL) + (SYMBOLS - 2) * math.asin(SKILL / 2)
    return 6 / (math.pi * (SYMBOLS + 1)) * inner
