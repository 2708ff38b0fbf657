"""The report as a whole, over decisions whose truth is known."""

import numpy as np
import pytest
import scipy

from evaluation.domain import scores
from evaluation.domain.calibration import (
    calibration_report,
    coverage_risk,
    information_coefficient,
    newey_west_t,
)
from evaluation.domain.figures import Window
from evaluation.domain.intervals import Basis, linear_figure
from evaluation.domain.observations import Judged, judged
from evaluation.errors import MalformedObservationsError
from tests.evaluation.domain import simulated
from tests.evaluation.domain.simulated import HORIZON

BASIS = Basis(horizon=HORIZON, window=Window.UNTRAINED, resamples=299)


def stated(opinion: simulated.Floats) -> simulated.Floats:
    return np.asarray(np.round(np.clip(0.7 + 0.1 * opinion, 0.5, 0.95), 2))


def test_an_overconfident_agent_is_seen_as_one() -> None:
    sample = simulated.forecasts(1, 250, stated=stated, true=lambda u: scipy.special.ndtr(0.1 * u))

    found = calibration_report(sample, BASIS).figures

    assert found["overconfidence"].excludes(0.0)
    assert found["debiased_ece"].excludes(0.0)
    slope = found["cox_slope"]
    assert slope.high is not None
    assert slope.high < 1
    assert {each.window for each in found.values()} == {Window.UNTRAINED}


def test_a_calibrated_agent_is_not_blamed() -> None:
    sample = simulated.forecasts(2, 250, stated=stated, true=stated)

    report = calibration_report(sample, BASIS)

    found = report.figures
    assert not found["overconfidence"].excludes(0.0)
    assert not found["debiased_ece"].excludes(0.0)
    assert not found["cox_slope"].excludes(1.0)
    assert found["plug_in_ece"].value is not None
    assert found["plug_in_ece"].value > 0.01
    assert sum(each.count for each in report.bins) == sum(each.count for each in report.curve) == len(sample)


def by_influence(sample: Judged) -> dict[str, scores.Score]:
    """What is no mean, and has its interval by influences."""
    line, ranked, skill = scores.cox(sample), scores.auc(sample), scores.brier_skill(sample)
    assert line is not None
    assert ranked is not None
    assert skill is not None
    return {
        "slope": line[1],
        "auc": ranked,
        "skill": skill,
        "resolution": scores.decomposition(sample)["resolution"],
    }


def test_intervals_of_slope_and_skill_cover(request: pytest.FixtureRequest) -> None:
    """The truth by a very long sample; resolution is biased upward by noise, and only its doubt is shown."""
    count = 200 if request.config.getoption("--long") else 20
    truth = {
        name: each.value
        for name, each in by_influence(simulated.forecasts(99, 20_000, stated=stated)).items()
    }
    hits = dict.fromkeys(truth, 0)
    for seed in range(count):
        sample = simulated.forecasts([seed, 41], 125, stated=stated)
        for name, score in by_influence(sample).items():
            figure = linear_figure(score.value, score.influence, sample.sessions, BASIS)
            hits[name] += not figure.excludes(truth[name])
    print({name: 100 * hit / count for name, hit in hits.items()})  # noqa: T201

    assert all(hits[name] >= 0.9 * count for name in ("slope", "auc", "skill")), hits


def test_without_decisions_all_is_unknown() -> None:
    report = calibration_report(judged([], [], []), Basis())

    assert {each.reason for each in report.figures.values()} == {"no decision has an outcome yet"}
    assert (report.bins, report.curve, report.coverage_risk) == ((), (), ())


def test_early_decisions_show_counts_and_no_figure() -> None:
    report = calibration_report(judged([0.7] * 4 + [0.8] * 4, [1, 0] * 4, list(range(8))), Basis())

    assert {each.reason for each in report.figures.values()} == {"8 of at least 20 sessions"}
    assert [each.count for each in report.bins] == [4, 4]


def test_labels_that_are_all_alike_say_what_is_missing() -> None:
    found = calibration_report(judged([0.7] * 60, [1] * 60, list(range(60))), Basis()).figures

    assert found["auc"].reason == "all decisions had the same outcome, or the same confidence"
    assert found["brier"].value == pytest.approx(0.09)


def test_abstaining_keeps_the_surest_and_parts_no_ties() -> None:
    sample = Judged(
        np.array([0.9] * 40 + [0.6] * 60), np.array([1.0] * 30 + [0.0] * 40 + [1.0] * 30), np.arange(100) % 50
    )

    points = coverage_risk(sample, Basis())

    assert [(point.threshold, point.coverage) for point in points] == [(0.9, 0.4), (0.6, 1.0)]
    assert [point.wrong.value for point in points] == [0.25, 0.4]


def test_information_coefficient_is_found_where_there_is_skill() -> None:
    signals, returns = simulated.opinions(5, 1_000)

    found = information_coefficient(signals.ravel(), returns.ravel(), simulated.numbers(1_000), BASIS)

    assert found.mean.excludes(0.0)
    assert (found.mean.n, found.lags) == (1_000, 6)
    assert found.newey_west_t is not None
    assert found.newey_west_t > 3


def test_columns_that_differ_in_length_are_refused() -> None:
    with pytest.raises(MalformedObservationsError, match="differ in length"):
        information_coefficient(np.zeros(3), np.zeros(2), np.zeros(3, dtype=np.int64), BASIS)


def test_newey_west_by_hand() -> None:
    """1, 2, 3, 4, 0 about 2: variance 2, first covariance -0.4 at weight 1/2."""
    t = newey_west_t(np.array([1.0, 2.0, 3.0, 4.0, 0.0]), lags=1)

    assert t == pytest.approx(2 / ((2 + 2 * 0.5 * -0.4) / 5) ** 0.5)
    assert newey_west_t(np.ones(9), lags=2) is None
