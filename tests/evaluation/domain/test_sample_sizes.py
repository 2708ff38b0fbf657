"""How much must be seen; the numbers that docs/evaluation.md names."""

import numpy as np
import pytest
import scipy

from evaluation.domain.figures import Figure, Window, unknown
from evaluation.domain.sample_sizes import (
    for_information_coefficient,
    for_mean,
    for_share,
    for_sharpe,
    until_told,
)
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("annual", "skew", "kurtosis", "returns"),
    [(1.0, 0.0, 3.0, 685), (2.0, 0.0, 3.0, 173), (0.5, 0.0, 3.0, 2730), (1.0, -0.5, 8.0, 710)],
)
def test_shortest_track_record_of_a_sharpe_ratio(
    annual: float, skew: float, kurtosis: float, returns: int
) -> None:
    assert for_sharpe(annual, skew=skew, kurtosis=kurtosis) == returns


@pytest.mark.parametrize(("share", "decisions"), [(0.52, 4904), (0.55, 783), (0.6, 194), (0.7, 47)])
def test_decisions_for_a_share_are_as_powerful_as_promised(share: float, decisions: int) -> None:
    assert for_share(share) == decisions
    least = scipy.stats.norm.ppf(0.975) * 0.5 / np.sqrt(decisions) + 0.5
    power = scipy.stats.norm.sf((least - share) / np.sqrt(share * (1 - share) / decisions))
    assert power == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize(
    ("coefficient", "horizon", "sessions"), [(0.02, 1, 142), (0.02, 5, 710), (0.05, 5, 115)]
)
def test_sessions_for_an_information_coefficient(coefficient: float, horizon: int, sessions: int) -> None:
    assert for_information_coefficient(coefficient, symbols=140, horizon=horizon) == sessions


def test_where_there_is_no_effect_no_number_shows_it() -> None:
    found = [for_mean(0.0, 1.0), for_share(0.5), for_sharpe(0.0), for_sharpe(-1.0)]

    assert [*found, for_information_coefficient(0.02, symbols=2)] == [None] * 5


def test_until_it_is_told() -> None:
    open_one = Figure(0.1, -0.1, 0.3, 500, 50.0, Window.CLEAN)

    assert until_told(open_one, seen=100) == 400
    assert until_told(open_one, seen=100, against=-0.2) == 100
    assert until_told(open_one, seen=100, against=0.1) is None
    assert until_told(unknown("too few"), seen=3) is None


def test_the_document_names_these_numbers() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text()

    named = [
        for_sharpe(1.0),
        for_sharpe(2.0),
        for_sharpe(0.5),
        for_share(0.55),
        for_share(0.6),
        for_share(0.52),
    ]
    named += [
        for_information_coefficient(0.02, symbols=140, horizon=5),
        for_information_coefficient(0.05, symbols=140, horizon=5),
    ]
    assert [number for number in named if f"{number:,}" not in text] == []
