"""Bins and curve of what was stated against what came true."""

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.domain.reliability import equal_mass_bins, monotone, reliability_bins, reliability_curve

values = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(rows=values)
def test_pooling_equals_scipys_isotonic_regression(rows: list[tuple[float, int]]) -> None:
    means = np.array([value for value, _ in rows])
    weights = np.array([float(weight) for _, weight in rows])

    assert monotone(means, weights) == pytest.approx(
        scipy.optimize.isotonic_regression(means, weights=weights).x, abs=1e-9
    )


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.sampled_from([0.5, 0.6, 0.7, 0.75, 0.8, 0.9]) | st.floats(0, 1), min_size=1, max_size=200
    )
)
def test_bins_are_in_order_dense_and_part_no_ties(rows: list[float]) -> None:
    confidence = np.array(rows)

    bins = equal_mass_bins(confidence)

    assert sorted(set(bins.tolist())) == list(range(bins.max() + 1))
    assert bins.max() < 10
    order = np.argsort(confidence, kind="stable")
    assert (np.diff(bins[order]) >= 0).all()
    for level in set(rows):
        assert len(set(bins[confidence == level].tolist())) == 1


def test_bins_without_ties_have_equal_mass() -> None:
    bins = equal_mass_bins(np.random.default_rng(1).random(1_000))

    assert np.bincount(bins).tolist() == [100] * 10


def test_bins_say_counts_means_and_doubt() -> None:
    confidence = np.array([0.6] * 50 + [0.9] * 150)
    right = np.array([1.0] * 25 + [0.0] * 25 + [1.0] * 120 + [0.0] * 30)

    low, high = reliability_bins(confidence, right, n_effective=200)
    doubtful = reliability_bins(confidence, right, n_effective=20)[1]

    assert (low.count, low.stated, low.observed) == (50, pytest.approx(0.6), 0.5)
    assert (high.count, high.observed) == (150, 0.8)
    assert (high.low, high.high) == pytest.approx((0.7289, 0.8561), abs=1e-4)  # Wilson, 120 of 150
    assert doubtful.low < high.low < high.high < doubtful.high


def test_curve_of_a_perfect_forecaster_stays_in_its_band_and_an_overconfident_ones_does_not() -> None:
    random = np.random.default_rng(8)
    confidence = np.round(random.uniform(0.5, 0.95, 2_000), 2)
    honest = (random.random(2_000) < confidence).astype(np.float64)
    vain = (random.random(2_000) < 0.5).astype(np.float64)

    fits = reliability_curve(confidence, honest, n_effective=2_000, seed=1)
    misses = reliability_curve(confidence, vain, n_effective=2_000, seed=1)

    assert sum(point.count for point in fits) == 2_000
    assert [p.calibrated for p in fits] == sorted(p.calibrated for p in fits)
    outside = [p for p in fits if not p.band_low <= p.calibrated <= p.band_high]
    assert len(outside) < 0.2 * len(fits)
    assert all(point.calibrated < point.band_low for point in misses if point.confidence > 0.8)


def test_band_is_wider_for_less_evidence() -> None:
    random = np.random.default_rng(8)
    confidence = np.round(random.uniform(0.5, 0.95, 1_000), 1)
    right = (random.random(1_000) < confidence).astype(np.float64)

    much, little = (reliability_curve(confidence, right, n_effective=n, seed=1) for n in (1_000, 50))

    assert all(b.band_high - b.band_low > a.band_high - a.band_low for a, b in zip(much, little, strict=True))
