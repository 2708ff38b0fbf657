"""Scores of stated confidences, held against scipy and against what scikit-learn 1.9.1 said of the same decisions."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.domain import scores
from evaluation.domain.observations import Judged, judged
from evaluation.domain.recalibration import held_out_signs
from evaluation.errors import MalformedObservationsError
from tests.evaluation.domain.simulated import Floats


def sample(count: int = 400) -> Judged:
    random = np.random.default_rng(9)
    confidence = np.round(random.uniform(0.02, 0.98, count), 2)
    right = (random.random(count) < 0.3 + 0.3 * confidence).astype(np.float64)
    return Judged(confidence, right, np.arange(count) // 4)


def test_brier_log_loss_and_auc_equal_scikit_learn() -> None:
    ranked = scores.auc(sample())

    assert scores.brier(sample()).value == pytest.approx(0.26256025, rel=1e-12)
    assert scores.log_loss(sample()).value == pytest.approx(0.7697128329825688, rel=1e-12)
    assert ranked is not None
    assert ranked.value == pytest.approx(0.6325953721075673, rel=1e-12)


def test_auc_equals_mann_whitney() -> None:
    rows = sample()
    right = rows.right == 1
    u = scipy.stats.mannwhitneyu(rows.confidence[right], rows.confidence[~right]).statistic

    found = scores.auc(rows)

    assert found is not None
    assert found.value == pytest.approx(u / right.sum() / (~right).sum(), rel=1e-12)


def test_cox_equals_the_likeliest_line_by_another_method_and_scikit_learn() -> None:
    rows = sample()
    odds = np.log(rows.confidence / (1 - rows.confidence))

    def unlikely(line: Floats) -> float:
        return float(np.logaddexp(0, (1 - 2 * rows.right) * (line[0] + line[1] * odds)).sum())

    best = scipy.optimize.minimize(unlikely, [0.0, 1.0], method="BFGS", options={"gtol": 1e-9}).x
    found = scores.cox(rows)

    assert found is not None
    assert (found[0].value, found[1].value) == pytest.approx(tuple(best), abs=1e-6)
    assert (found[0].value, found[1].value) == pytest.approx((-0.07231768, 0.29415492), abs=1e-6)


confidences = st.floats(0, 1) | st.sampled_from([0.5, 0.7, 0.75, 0.9, 1.0])


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(confidences, st.booleans()), min_size=1, max_size=120))
def test_the_parts_of_the_brier_score_add_up(rows: list[tuple[float, bool]]) -> None:
    found = judged([p for p, _ in rows], [y for _, y in rows], list(range(len(rows))))
    parts = {name: score.value for name, score in scores.decomposition(found).items()}

    whole = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_bins"]
    assert abs(whole - scores.brier(found).value) < 1e-12


def test_parts_of_round_confidences_are_murphys_three() -> None:
    """Where a bin is one confidence there is nothing within it; by hand: 0.6 of 5, 0.8 of 5."""
    rows = judged([0.6] * 5 + [0.8] * 5, [1, 1, 0, 0, 0, 1, 1, 1, 1, 0], list(range(10)))
    parts = {name: score.value for name, score in scores.decomposition(rows).items()}

    assert parts == pytest.approx(
        {"reliability": 0.02, "resolution": 0.04, "uncertainty": 0.24, "within_bins": 0.0}, abs=1e-15
    )


SCORES: dict[str, Callable[[Judged], scores.Score | None]] = {
    "brier": scores.brier,
    "skill": scores.brier_skill,
    "log loss": scores.log_loss,
    "auc": scores.auc,
    "intercept": lambda rows: (scores.cox(rows) or (None,))[0],
    "slope": lambda rows: (scores.cox(rows) or (None, None))[1],
    **{
        name: lambda rows, name=name: scores.decomposition(rows)[name]  # type: ignore[misc]
        for name in ("reliability", "resolution", "uncertainty", "within_bins")
    },
}


@pytest.mark.parametrize("name", SCORES)
def test_influence_is_what_a_decision_more_changes(name: str) -> None:
    """The infinitesimal jackknife: as much more weight to some decisions moves the estimate by their influences."""
    found = sample(300)
    # Round ones: where the bins themselves move, a sum over bins jumps.
    rows = Judged(np.clip(np.round(found.confidence, 1), 0.1, 0.9), found.right, found.sessions)
    some = np.flatnonzero(rows.right == 1)[:30]
    heavier = np.concatenate([np.repeat(np.arange(300), 60), some])
    weighed = Judged(rows.confidence[heavier], rows.right[heavier], rows.sessions[heavier])
    before, after = SCORES[name](rows), SCORES[name](weighed)

    assert before is not None
    assert after is not None
    share = len(some) / len(heavier)
    assert after.value - before.value == pytest.approx(
        share * before.influence[some].mean(), rel=0.05, abs=1e-7
    )
    assert before.influence.mean() == pytest.approx(0.0, abs=1e-6)


def test_what_cannot_be_told_apart_has_no_score() -> None:
    alike = judged([0.7] * 20, [1] * 20, list(range(20)))

    assert (scores.auc(alike), scores.cox(alike), scores.brier_skill(alike)) == (None, None, None)


FORECASTERS: dict[str, Callable[[Floats], Floats]] = {
    "perfect": lambda p: p,
    "overconfident": lambda p: 0.5 + 0.4 * (p - 0.5),
    "overconfident, curved": lambda p: 1 / (1 + ((1 - p) / p) ** 0.5),
    "underconfident": lambda p: 1 / (1 + ((1 - p) / p) ** 1.6),
    "too high": lambda p: np.maximum(p - 0.08, 0),
    "knows nothing": lambda p: np.full_like(p, 0.5),
}
SEEDS, SEEDS_OF_THE_LONG_FORM = 100, 1_000


@pytest.mark.parametrize("name", FORECASTERS)
def test_debiased_calibration_error_is_near_the_truth_where_the_plug_in_is_not(
    name: str, request: pytest.FixtureRequest
) -> None:
    """At 500 decisions, on average over seeds: a single estimate has a deviation of 0.02 whatever the method."""
    true, found, plugged = FORECASTERS[name], [], []
    for seed in range(SEEDS_OF_THE_LONG_FORM if request.config.getoption("--long") else SEEDS):
        random = np.random.default_rng([seed, 3])
        stated = random.uniform(0.05, 0.95, 500)
        right = (random.random(500) < true(stated)).astype(np.float64)
        rows = Judged(stated, right, np.arange(500) // 5)
        found.append(scores.debiased_ece(rows, held_out_signs(rows, purge=0)).value)
        plugged.append(scores.plug_in_ece(rows).value)
    grid = np.linspace(0.05, 0.95, 10_001)
    truth = float(np.abs(true(grid) - grid).mean())
    print(f"{name}: truth {truth:.4f}, debiased {np.mean(found):.4f}, plug-in {np.mean(plugged):.4f}")  # noqa: T201

    assert np.mean(found) == pytest.approx(truth, abs=0.005)
    assert abs(np.mean(plugged) - truth) > abs(np.mean(found) - truth)


def test_plug_in_error_of_a_perfect_forecaster_is_not_0() -> None:
    random = np.random.default_rng(4)
    stated = random.random((300, 500))
    errors = [
        scores.plug_in_ece(Judged(p, (random.random(500) < p).astype(float), np.arange(500))).value
        for p in stated
    ]

    assert float(np.mean(errors)) == pytest.approx(0.05, abs=0.005)


def test_rank_correlations_equal_spearman_of_scipy() -> None:
    random = np.random.default_rng(6)
    signed, excess = np.round(random.uniform(-1, 1, 600), 1), random.standard_normal(600)
    sessions = np.repeat(np.arange(20), 30)
    mixed = random.permutation(600)

    found, kept = scores.information_coefficients(signed[mixed], excess[mixed], sessions[mixed], least=5)

    expected = [
        scipy.stats.spearmanr(signed[sessions == each], excess[sessions == each]).statistic
        for each in range(20)
    ]
    assert found == pytest.approx(expected, abs=1e-12)
    assert kept.tolist() == list(range(20))


def test_sessions_without_enough_symbols_or_differences_have_no_correlation() -> None:
    sessions = np.array([1] * 4 + [2] * 6 + [3] * 6)
    signed = np.array([0.1, 0.2, 0.3, 0.4] + [0.5] * 6 + [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])

    found, kept = scores.information_coefficients(signed, np.arange(16.0), sessions, least=5)

    assert found.tolist() == pytest.approx([1.0])
    assert kept.tolist() == [3]


@pytest.mark.parametrize(
    ("confidence", "right", "sessions"),
    [([0.5], [1, 0], [1]), ([1.1], [1], [1]), ([math.nan], [1], [1]), ([0.5], [2], [1])],
)
def test_malformed_decisions_are_refused(
    confidence: list[float], right: list[int], sessions: list[int]
) -> None:
    with pytest.raises(MalformedObservationsError, match=r"confidence|label"):
        judged(confidence, right, sessions)
