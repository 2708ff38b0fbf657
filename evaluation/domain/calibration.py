"""The calibration report: is what was stated true, is it worth anything, and how sure can that be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.domain import scores
from evaluation.domain.figures import Figure, unknown
from evaluation.domain.intervals import (
    ANYTHING,
    SHARE,
    Basis,
    Bounds,
    linear_figure,
    mean_figure,
    share_figure,
)
from evaluation.domain.recalibration import held_out_signs
from evaluation.domain.reliability import Bin, CurvePoint, reliability_bins, reliability_curve
from evaluation.errors import MalformedObservationsError

if TYPE_CHECKING:
    from evaluation.domain.observations import Judged
    from evaluation.domain.resampling import Floats, Numbers
    from evaluation.domain.scores import Score

LEAST_SYMBOLS = 5  # of a session that a rank correlation is computed of
_COVERAGES = 10
_CORRELATION: Bounds = (-1.0, 1.0)
_BOUNDS: Mapping[str, Bounds] = {
    "brier": SHARE,
    "base_rate": SHARE,
    "mean_confidence": SHARE,
    "auc": SHARE,
    "brier_skill": (float("-inf"), 1.0),
    "log_loss": (0.0, float("inf")),
    "reliability": SHARE,
    "resolution": SHARE,
    "uncertainty": (0.0, 0.25),
    "plug_in_ece": SHARE,
}
_NEEDS_BOTH = "all decisions had the same outcome, or the same confidence"


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    """What only the surest decisions would have been: coverage-risk curve (El-Yaniv & Wiener 2010).

    Args:
        threshold: least confidence of those kept, inclusive.
        coverage: share of all decisions that are kept.
        wrong: share of the kept ones that were wrong.
    """

    threshold: float
    coverage: float
    wrong: Figure


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """All of one scope: figures by name, bins, curve and what abstaining would have changed.

    ``figures``: brier, brier_skill, log_loss, auc, base_rate, mean_confidence, overconfidence (stated less
    observed), cox_intercept, cox_slope, debiased_ece, plug_in_ece, reliability, resolution, uncertainty, within_bins.
    """

    figures: Mapping[str, Figure]
    bins: tuple[Bin, ...]
    curve: tuple[CurvePoint, ...]
    coverage_risk: tuple[CoveragePoint, ...]


@dataclass(frozen=True, slots=True)
class InformationCoefficient:
    """Mean daily rank correlation of signed confidence and excess return (Grinold & Kahn 1999).

    Args:
        mean: with its interval; n is sessions.
        newey_west_t: mean over its standard error with Bartlett weights (Newey & West 1987); None where unknown.
        lags: sessions the weights reach over, at least the horizon less one.
    """

    mean: Figure
    newey_west_t: float | None
    lags: int


def calibration_report(sample: "Judged", basis: Basis) -> CalibrationReport:
    """Return the report of decisions of one scope, horizon and window; without any, all figures are unknown."""
    found = _scores(sample, basis) if len(sample) else dict.fromkeys(_names())
    reason = _NEEDS_BOTH if len(sample) else "no decision has an outcome yet"
    figures = {
        name: unknown(reason, n=len(sample), window=basis.window)
        if score is None
        else linear_figure(
            score.value, score.influence, sample.sessions, basis, bounds=_BOUNDS.get(name, ANYTHING)
        )
        for name, score in found.items()
    }
    if not len(sample):
        return CalibrationReport(figures, (), (), ())
    effective = figures["base_rate"].n_effective or float(_sessions(sample.sessions))
    return CalibrationReport(
        figures,
        reliability_bins(sample.confidence, sample.right, n_effective=effective),
        reliability_curve(sample.confidence, sample.right, n_effective=effective, seed=basis.seed),
        coverage_risk(sample, basis),
    )


def _names() -> tuple[str, ...]:
    parts = ("reliability", "resolution", "uncertainty", "within_bins")
    others = (
        "auc",
        "base_rate",
        "mean_confidence",
        "cox_intercept",
        "cox_slope",
        "debiased_ece",
        "plug_in_ece",
    )
    return ("brier", "brier_skill", "log_loss", *others, *parts)


def _scores(sample: "Judged", basis: Basis) -> dict[str, "Score | None"]:
    slope = scores.cox(sample)
    signs = held_out_signs(sample, purge=basis.horizon)
    return {
        "brier": scores.brier(sample),
        "brier_skill": scores.brier_skill(sample),
        "log_loss": scores.log_loss(sample),
        "auc": scores.auc(sample),
        "base_rate": scores.mean_score(sample.right),
        "mean_confidence": scores.mean_score(sample.confidence),
        "overconfidence": scores.mean_score(sample.confidence - sample.right),
        "cox_intercept": slope[0] if slope else None,
        "cox_slope": slope[1] if slope else None,
        "debiased_ece": scores.debiased_ece(sample, signs),
        "plug_in_ece": scores.plug_in_ece(sample),
        **scores.decomposition(sample),
    }


def _sessions(sessions: "Numbers") -> int:
    import numpy as np

    return len(np.unique(sessions))


def coverage_risk(sample: "Judged", basis: Basis) -> tuple[CoveragePoint, ...]:
    """Return what share was wrong of the surest tenth, fifth, … of the decisions; equal confidences are not parted."""
    import numpy as np

    ordered = np.sort(sample.confidence)[::-1]
    places = np.ceil(np.linspace(0, len(ordered), _COVERAGES + 1)[1:]).astype(np.int64) - 1
    points = []
    for threshold in np.unique(ordered[places])[::-1]:
        kept = sample.where(sample.confidence >= threshold)
        wrong = share_figure(1 - kept.right, kept.sessions, basis)
        points.append(CoveragePoint(float(threshold), len(kept) / len(sample), wrong))
    return tuple(points)


def information_coefficient(
    signed: "Floats", excess: "Floats", sessions: "Numbers", basis: Basis, *, least: int = LEAST_SYMBOLS
) -> InformationCoefficient:
    """Return whether what was stated higher did better, over whole sessions, holds included.

    Args:
        signed: confidence of a buy, minus that of a sell, 0 of a hold.
        excess: return of the symbol less that of the universe, over the horizon.
        least: symbols a session needs to count.

    Raises:
        MalformedObservationsError: different lengths.
    """
    import numpy as np

    columns = (np.asarray(signed, float), np.asarray(excess, float), np.asarray(sessions, np.int64))
    if len({each.shape for each in columns}) != 1:
        raise MalformedObservationsError("confidences, returns and sessions differ in length")
    found, kept = scores.information_coefficients(*columns, least=least)
    mean = mean_figure(found, kept, basis, bounds=_CORRELATION)
    lags = max(basis.horizon - 1, int(4 * (max(len(found), 1) / 100) ** (2 / 9)))
    return InformationCoefficient(mean, newey_west_t(found, lags=lags) if mean.known else None, lags)


def newey_west_t(series: "Floats", *, lags: int) -> float | None:
    """Return the mean over its heteroskedasticity and autocorrelation consistent error; None where that is 0."""
    n = len(series)
    apart = series - series.mean()
    variance = float(apart @ apart) / n
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(apart[lag:] @ apart[:-lag]) / n
    return float(series.mean()) / (variance / n) ** 0.5 if variance > 0 else None
