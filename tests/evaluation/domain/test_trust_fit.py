"""From outcomes to trust: claims alone earn nothing, and what was right for long enough earns nearly all."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from evaluation.domain.intervals import Basis
from evaluation.domain.observations import judged
from evaluation.domain.recalibration import Method
from evaluation.domain.trust_fit import break_even, fit_trust
from risk.domain.trust import Scope, TrustCurve, is_well_formed, trust_of
from tests.evaluation.domain.simulated import HORIZON, Floats, forecasts

NOW = datetime(2026, 11, 2, tzinfo=UTC)
FLOOR = Decimal("0.25")
LOOKS = (20, 60, 120, 250, 500)
AGENTS, AGENTS_OF_THE_LONG_FORM = 6, 40


def stated(opinion: Floats) -> Floats:
    return np.asarray(np.round(np.clip(0.85 + 0.04 * opinion, 0.7, 0.95), 2))


def factors(seed: int, right: float) -> list[float]:
    """Return the factor at 0.9, by sessions of outcomes, of an agent that is right as often whatever it states."""
    sample = forecasts(
        [seed, 31], LOOKS[-1], stated=stated, true=lambda u: np.full_like(u, right), common=0.1
    )
    found = []
    for seen in LOOKS:
        fit = fit_trust(sample.where(sample.sessions < seen), Basis(horizon=HORIZON, resamples=99))
        curve = TrustCurve(1, Scope("m"), fit.knots, Decimal("0.5"), Decimal("0.6"), NOW)
        found.append(float(trust_of(Decimal("0.9"), curve, now=NOW, floor=FLOOR).factor))
    return found


def test_claims_stay_at_the_floor_and_skill_reaches_nearly_full_size(request: pytest.FixtureRequest) -> None:
    """States 0.9: right in 0.50 of cases, and in 0.62. Ten decisions a session, over two years."""
    agents = range(AGENTS_OF_THE_LONG_FORM if request.config.getoption("--long") else AGENTS)
    vain = np.array([factors(seed, 0.50) for seed in agents])
    skilled = np.array([factors(seed, 0.62) for seed in agents])
    for name, rows in (("right 0.50", vain), ("right 0.62", skilled)):
        print(name, dict(zip(LOOKS, np.median(rows, axis=0).round(2).tolist(), strict=True)))  # noqa: T201

    at = LOOKS.index(60)
    assert np.median(vain[:, at:], axis=0).max() == float(FLOOR)
    assert vain[:, -1].mean() < 0.3
    assert np.median(skilled[:, -1]) >= 0.8
    assert (skilled[:, 0] == float(FLOOR)).all()


def test_a_fit_is_a_curve_that_can_be_believed() -> None:
    sample = forecasts(7, 200, stated=stated, true=stated, common=0.1)

    fit = fit_trust(sample, Basis(horizon=HORIZON, resamples=99))
    curve = TrustCurve(1, Scope("m"), fit.knots, Decimal("0.5"), Decimal("0.6"), NOW)

    assert is_well_formed(curve)
    assert fit.method is not Method.STATED
    assert all(knot.low < knot.probability for knot in fit.knots)
    assert (fit.n, fit.sessions) == (2_000, 200)
    assert fit.knots[0].n_effective > fit.knots[-1].n_effective > 0


def test_before_there_are_enough_sessions_there_is_no_curve() -> None:
    fit = fit_trust(judged([0.9] * 50, [1] * 50, [n // 2 for n in range(50)]), Basis(horizon=5))

    assert (fit.knots, fit.reason) == ((), "25 of at least 30 sessions")


@pytest.mark.parametrize(
    ("returns", "even"),
    [
        (["0.02", "-0.02"], ("0.5000", "0.60")),
        (["0.03", "0.01", "-0.01"], ("0.3333", "0.60")),
        (["0.01", "-0.03"], ("0.7500", "0.8000")),
    ],
)
def test_break_even_follows_from_wins_and_losses(returns: list[str], even: tuple[str, str]) -> None:
    assert break_even([Decimal(each) for each in returns]) == tuple(map(Decimal, even))


@pytest.mark.parametrize("returns", [[], ["0.01"], ["-0.01", "0"]])
def test_without_wins_and_losses_nobody_knows(returns: list[str]) -> None:
    assert break_even([Decimal(each) for each in returns]) is None
