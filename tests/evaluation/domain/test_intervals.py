"""Intervals cover what they say they cover, where sessions move together and labels overlap."""

from collections.abc import Callable

import numpy as np
import pytest

from evaluation.domain.figures import Figure, Window
from evaluation.domain.intervals import (
    SHARE,
    Basis,
    mean_figure,
    paired_figure,
    ratio_figure,
    share_figure,
)
from evaluation.domain.resampling import draws
from evaluation.domain.scores import information_coefficients
from evaluation.errors import MalformedObservationsError
from tests.evaluation.domain import simulated
from tests.evaluation.domain.simulated import HORIZON, Floats

SESSIONS = 250  # a year
SHORT, LONG = 60, 1_000
BASIS = Basis(horizon=HORIZON, resamples=499)


def brier(seed: int) -> tuple[Floats, Floats]:
    sample = simulated.forecasts([seed, 11], SESSIONS)
    return (sample.confidence - sample.right) ** 2, sample.sessions


def excess(seed: int) -> tuple[Floats, Floats]:
    return simulated.excesses([seed, 12], SESSIONS).ravel(), simulated.numbers(SESSIONS)


def coefficient(seed: int) -> tuple[Floats, Floats]:
    signals, returns = simulated.opinions([seed, 13], SESSIONS)
    return information_coefficients(signals.ravel(), returns.ravel(), simulated.numbers(SESSIONS), least=5)


STATISTICS = {
    "brier": (brier, simulated.true_brier()),
    "excess": (excess, simulated.DRIFT),
    "information coefficient": (coefficient, simulated.true_coefficient()),
}


def single_decisions(values: Floats) -> tuple[float, float]:
    """The wrong method: each decision drawn for itself, as if none had to do with another."""
    means = [values[drawn].mean(axis=1) for drawn, _ in draws(len(values), block=1.0, resamples=199, seed=1)]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("name", STATISTICS)
def test_nominal_intervals_cover_and_those_of_single_decisions_do_not(
    name: str, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """A thousand years in the long form; the short one's bounds hold what sixty fixed seeds show."""
    long = bool(request.config.getoption("--long"))
    draw, truth = STATISTICS[name]
    ours = wrong = 0
    count = LONG if long else SHORT
    for seed in range(count):
        values, sessions = draw(seed)
        figure = mean_figure(values, sessions, BASIS)
        assert figure.low is not None
        assert figure.high is not None
        ours += figure.low <= truth <= figure.high
        low, high = single_decisions(values)
        wrong += low <= truth <= high
    record_property(
        "coverage", {"blocks of sessions": 100 * ours / count, "single decisions": 100 * wrong / count}
    )
    print(f"{name}: {100 * ours / count:.1f} % covered, {100 * wrong / count:.1f} % by single decisions")  # noqa: T201

    assert (93 if long else 90) <= 100 * ours / count <= (97 if long else 100)
    assert 100 * wrong / count < 88


@pytest.mark.parametrize(("horizon", "sessions", "needed"), [(1, 19, 20), (5, 29, 30), (20, 119, 120)])
def test_below_a_few_blocks_nothing_is_said(horizon: int, sessions: int, needed: int) -> None:
    basis = Basis(horizon=horizon, window=Window.GREY)

    early = mean_figure(np.arange(sessions, dtype=float), range(sessions), basis)
    enough = mean_figure(np.arange(sessions + 1, dtype=float), range(sessions + 1), basis)

    assert (early.value, early.reason) == (None, f"{sessions} of at least {needed} sessions")
    assert (early.n, early.window) == (sessions, Window.GREY)
    assert enough.known


def test_many_symbols_of_one_session_are_hardly_more_than_one() -> None:
    """What all symbols have in common is not averaged away by having more of them."""
    common = np.random.default_rng(1).standard_normal(100)
    values = np.repeat(common, 50) + 0.01 * np.random.default_rng(2).standard_normal(5_000)

    figure = mean_figure(values, simulated.numbers(100, 50), Basis())

    assert figure.n == 5_000
    assert figure.n_effective < 200


def test_pairing_takes_away_what_both_have_in_common() -> None:
    random = np.random.default_rng(3)
    before = random.standard_normal(2_000)
    after = before + 0.02 + 0.05 * random.standard_normal(2_000)
    sessions = simulated.numbers(100, 20)

    paired = paired_figure(before, after, sessions, Basis())

    assert paired.excludes(0.0)
    assert not mean_figure(after, sessions, Basis()).excludes(float(before.mean()))


def test_the_order_of_observations_means_nothing() -> None:
    values, sessions = excess(1)
    mixed = np.random.default_rng(4).permutation(len(values))

    straight, shuffled = (
        mean_figure(values, sessions, BASIS),
        mean_figure(values[mixed], sessions[mixed], BASIS),
    )

    assert shuffled.low == pytest.approx(straight.low, abs=1e-12)
    assert shuffled.high == pytest.approx(straight.high, abs=1e-12)


@pytest.mark.parametrize(("hit", "open_end"), [(0.0, "low"), (1.0, "high")])
def test_a_share_of_all_or_none_has_doubt(hit: float, open_end: str) -> None:
    figure = share_figure([hit] * 60, list(range(60)), Basis(horizon=5))

    assert figure.value == hit
    assert getattr(figure, open_end) == hit
    assert figure.low is not None
    assert figure.high is not None
    assert figure.high - figure.low > 0.5  # four blocks of fifteen sessions
    assert figure.n_effective == 4.0


def test_a_share_stays_within_its_bounds() -> None:
    hits = ([1.0] + [0.0] * 24) * 4

    figure = share_figure(hits, list(range(100)), Basis())

    assert figure.low is not None
    assert SHARE[0] <= figure.low < 0.04 < figure.high  # type: ignore[operator]  # known: a figure has both ends


def test_ratio_covers_the_ratio_of_means() -> None:
    """Profit factor: what was won over what was lost."""
    truth, hits = 0.0, 0
    shape = (120, 4)
    for seed in range(60):
        random = np.random.default_rng([seed, 21])
        day = random.standard_normal((shape[0], 1)) * 0.3
        won, lost = random.gamma(2.0, 1.0, shape) * np.exp(day), random.gamma(2.0, 0.5, shape)
        truth = 2 * np.exp(0.3**2 / 2) / 1.0
        figure = ratio_figure(won.ravel(), lost.ravel(), simulated.numbers(*shape), Basis(resamples=399))
        hits += bool(
            figure.low is not None and figure.high is not None and figure.low <= truth <= figure.high
        )

    assert hits >= 52


def test_ratio_to_nothing_is_unknown() -> None:
    figure = ratio_figure([1.0] * 30, [0.0] * 30, list(range(30)), Basis())

    assert (figure.value, figure.reason) == (None, "nothing to divide by")


def test_all_the_same_is_what_it_is() -> None:
    assert mean_figure([2.0] * 30, list(range(30)), Basis()) == Figure(2.0, 2.0, 2.0, 30, 30.0, Window.CLEAN)


def test_without_observations_nothing_is_known() -> None:
    assert mean_figure([], [], Basis()).reason == "no observations"


@pytest.mark.parametrize(("values", "sessions"), [([1.0], [1, 2]), ([float("nan")], [1])])
def test_malformed_observations_are_refused(values: list[float], sessions: list[int]) -> None:
    with pytest.raises(MalformedObservationsError, match=r"sessions|finite"):
        mean_figure(values, sessions, Basis())
