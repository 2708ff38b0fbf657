"""The stationary bootstrap: its block length, its draws, its variance."""

import numpy as np
import pytest

from evaluation.domain.resampling import block_length, draws, mean_variance, studentised_bound
from tests.evaluation.domain.simulated import Floats


def autoregressive(seed: int, length: int, persistence: float) -> Floats:
    shocks = np.random.default_rng(seed).standard_normal(length)
    rows, now = [], 0.0
    for shock in shocks.tolist():
        now = persistence * now + shock
        rows.append(now)
    return np.array(rows)


@pytest.mark.parametrize(
    ("seed", "length", "persistence", "of_arch"),
    [
        (1, 250, 0.0, 2.7785335529858837),
        (2, 250, 0.5, 4.304187904572743),
        (3, 500, 0.8, 18.26209917131981),
        (4, 1000, 0.3, 6.692454658270438),
        (5, 120, 0.9, 12.52633658455738),
        (6, 60, -0.4, 3.084935765803317),
        (7, 2500, 0.6, 20.599358633592924),
    ],
)
def test_block_length_equals_that_of_arch(seed: int, length: int, persistence: float, of_arch: float) -> None:
    """What ``arch.bootstrap.optimal_block_length`` of arch 8.0.0 said of the same series."""
    assert block_length(autoregressive(seed, length, persistence)) == pytest.approx(of_arch, rel=1e-9)


@pytest.mark.parametrize("series", [[1.0], [1.0, 2.0, 1.0], [3.0] * 50])
def test_what_has_no_dependence_to_be_found_has_blocks_of_one(series: list[float]) -> None:
    assert block_length(np.array(series)) == 1.0


def test_draws_are_blocks_that_wrap_around_and_the_same_for_the_same_seed() -> None:
    portions = list(draws(1_000, block=8.0, resamples=900, seed=3))
    indices = np.vstack([each for each, _ in portions])
    begins = np.vstack([each for _, each in portions])

    assert len(portions) > 1
    assert indices.shape == (900, 1_000)
    follows = indices[:, 1:] == (indices[:, :-1] + 1) % 1_000
    assert follows[~begins[:, 1:]].all()
    assert 1 / begins[:, 1:].mean() == pytest.approx(8.0, rel=0.02)
    again = np.vstack([each for each, _ in draws(1_000, block=8.0, resamples=900, seed=3)])
    assert (again == indices).all()


def test_variance_in_closed_form_is_that_of_the_draws() -> None:
    series = autoregressive(11, 200, 0.6)

    drawn = [series[indices].mean(axis=1) for indices, _ in draws(200, block=12.0, resamples=40_000, seed=1)]

    assert mean_variance(series, block=12.0) == pytest.approx(np.concatenate(drawn).var(), rel=0.03)


def test_bound_is_normal_for_many_blocks_and_wider_for_few() -> None:
    noise = np.random.default_rng(5).standard_normal(2_000)

    many = studentised_bound(noise, block=1.0, level=0.95, resamples=4_000, seed=1)
    few = studentised_bound(noise[:60], block=15.0, level=0.95, resamples=4_000, seed=1)

    assert many == pytest.approx(1.96, abs=0.08)
    assert few > 2.2
