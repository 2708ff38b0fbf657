"""Figures of a curve: worked by hand, on degenerate curves, and equal to empyrical-reloaded's to 1e-9."""

import math
import random
from datetime import date, timedelta

import pytest

from trading.domain.performance import figures as ours

DAY = date(2026, 11, 2)


def series(seed: int, n: int = 120) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(0.0004, 0.012) for _ in range(n)]


DEGENERATE = {
    "all the same": [0.01] * 30,
    "nothing moves": [0.0] * 30,
    "only gains": [0.001 * (n % 5 + 1) for n in range(30)],
    "only losses": [-0.001 * (n % 5 + 1) for n in range(30)],
    "two days": [0.02, -0.01],
}
SERIES = {f"seed {n}": series(n) for n in range(50)} | DEGENERATE


def test_worked_by_hand() -> None:
    """100, 110, 99, 118.8: up a tenth, down a tenth, up a fifth."""
    returns = ours.returns_of([100, 110, 99, 118.8])

    assert returns == pytest.approx([0.1, -0.1, 0.2])
    assert ours.total_return(returns) == pytest.approx(0.188)
    assert ours.max_drawdown(returns) == pytest.approx(-0.1)
    assert ours.cagr(returns, 252) == pytest.approx(1.188**84 - 1)
    deviation = math.sqrt(((0.1 - 1 / 15) ** 2 + (0.1 + 1 / 15) ** 2 + (0.2 - 1 / 15) ** 2) / 2)
    assert ours.sharpe(returns, 252) == pytest.approx(0.2 / 3 / deviation * math.sqrt(252))
    assert ours.sortino(returns, 252) == pytest.approx(0.2 / 3 * 252 / (math.sqrt(0.01 / 3) * math.sqrt(252)))
    assert ours.hit_rate(returns) == pytest.approx(2 / 3)
    assert ours.omega(returns) == pytest.approx(3.0)


def test_the_deepest_fall_has_its_dates() -> None:
    curve = [(DAY + timedelta(days=n), value) for n, value in enumerate([100, 120, 90, 96, 121, 115, 130])]

    found = ours.drawdown(curve)

    assert found == ours.Drawdown(
        pytest.approx(-0.25), DAY + timedelta(1), DAY + timedelta(2), DAY + timedelta(4), days_under_water=3
    )


def test_a_fall_that_goes_on_has_no_recovery() -> None:
    curve = [(DAY + timedelta(days=n), value) for n, value in enumerate([100, 80, 90])]

    found = ours.drawdown(curve)

    assert found is not None
    assert (found.depth, found.recovered, found.days_under_water) == (pytest.approx(-0.2), None, 2)
    assert ours.drawdown(curve[:1]) is None
    assert ours.drawdown([]) is None


@pytest.mark.parametrize("returns", [[], [0.01], *DEGENERATE.values()], ids=str)
def test_no_figure_is_a_number_that_nobody_can_know(returns: list[float]) -> None:
    found = ours.figures_of(returns, 252) | ours.figures_against(returns, [0.0] * len(returns), 252)

    for name, figure in found.items():
        assert (figure.value is None) == bool(figure.reason), name
        assert figure.value is None or math.isfinite(figure.value), name
        assert figure.n == len(returns) or figure.n == 0, name


def test_against_nothing_says_why() -> None:
    found = ours.figures_against([], [], 252, missing="no daily bars are on record")

    assert {(each.value, each.reason) for each in found.values()} == {(None, "no daily bars are on record")}


def same(mine: float | None, theirs: float) -> bool:
    """Where we say that it is not known, they say nan or infinity, or divide by rounding."""
    if mine is None:
        return not math.isfinite(theirs) or abs(theirs) > 1e12 or theirs == 0
    return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("name", SERIES)
def test_figures_equal_those_of_empyrical_reloaded(name: str) -> None:
    """Twenty figures; the dev requirement is the oracle, the runtime has no need of it."""
    empyrical = pytest.importorskip("empyrical")
    numpy = pytest.importorskip("numpy")
    r = SERIES[name]
    b = series(1_000 + len(r), len(r))
    theirs, bench = numpy.array(r), numpy.array(b)
    p = 252

    compared = {
        "total return": (ours.total_return(r), empyrical.cum_returns_final(theirs)),
        "cagr": (ours.cagr(r, p), empyrical.cagr(theirs)),
        "volatility": (ours.volatility(r, p), empyrical.annual_volatility(theirs)),
        "sharpe": (ours.sharpe(r, p), empyrical.sharpe_ratio(theirs)),
        "sortino": (ours.sortino(r, p), empyrical.sortino_ratio(theirs)),
        "calmar": (ours.calmar(r, p), empyrical.calmar_ratio(theirs)),
        "max drawdown": (ours.max_drawdown(r), empyrical.max_drawdown(theirs)),
        "downside risk": (ours.downside_risk(r, p), empyrical.downside_risk(theirs)),
        "omega": (ours.omega(r), empyrical.omega_ratio(theirs)),
        "value at risk": (ours.value_at_risk(r), empyrical.value_at_risk(theirs)),
        "conditional": (ours.conditional_value_at_risk(r), empyrical.conditional_value_at_risk(theirs)),
        "tail ratio": (ours.tail_ratio(r), empyrical.tail_ratio(theirs)),
        "coins, sharpe": (ours.sharpe(r, 365), empyrical.sharpe_ratio(theirs, annualization=365)),
        "coins, cagr": (ours.cagr(r, 365), empyrical.cagr(theirs, annualization=365)),
        "beta": (ours.beta(r, b), empyrical.beta(theirs, bench)),
        "alpha": (ours.alpha(r, b, p), empyrical.alpha(theirs, bench)),
        "information ratio": (ours.information_ratio(r, b), empyrical.excess_sharpe(theirs, bench)),
        "up capture": (ours.capture(r, b, p, up=True), empyrical.up_capture(theirs, bench)),
        "down capture": (ours.capture(r, b, p, up=False), empyrical.down_capture(theirs, bench)),
        "tracking error": (ours.tracking_error(r, b, p), empyrical.annual_volatility(theirs - bench)),
    }

    wrong = {figure: pair for figure, pair in compared.items() if not same(*pair)}
    assert wrong == {}
    assert len(compared) == 20
