"""Maps from stated to observed: right where they are fitted, and no worse than nothing where they are tried."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy

from evaluation.domain.observations import Judged
from evaluation.domain.recalibration import (
    LEVELS,
    Method,
    Recalibration,
    allowed,
    choose,
    counted,
    fitted,
    forward_parts,
    held_out_signs,
)
from evaluation.domain.scores import losses
from tests.evaluation.domain.simulated import Floats
from tests.evaluation.domain.test_scores import sample

GRID = np.linspace(0, 1, LEVELS)


@pytest.mark.parametrize("method", [Method.PLATT, Method.BETA])
def test_smooth_maps_equal_the_likeliest_by_another_method(method: Method) -> None:
    """Log likelihood less half the squared way from "believe what is stated", found by BFGS."""
    rows = sample()
    high, low = np.log(rows.confidence), -np.log1p(-rows.confidence)
    columns = [high + low] if method is Method.PLATT else [high, low]
    design = np.column_stack([np.ones(len(rows)), *columns])
    start = np.array([0.0] + [1.0] * len(columns))

    def unlikely(line: Floats) -> float:
        fit = np.logaddexp(0, (1 - 2 * rows.right) * (design @ line)).sum()
        return float(fit + ((line - start) ** 2).sum() / 2)

    best = scipy.optimize.minimize(unlikely, start, method="BFGS", options={"gtol": 1e-9}).x
    found = fitted(method, *counted(rows))

    at = np.array([0.1, 0.35, 0.5, 0.72, 0.9])
    logs = [np.log(at) - np.log1p(-at)] if method is Method.PLATT else [np.log(at), -np.log1p(-at)]
    expected = 1 / (1 + np.exp(-(np.column_stack([np.ones(5), *logs]) @ best)))
    assert found[np.rint(at * 100).astype(int)] == pytest.approx(expected, abs=1e-6)


def test_isotonic_equals_scikit_learn() -> None:
    """What ``IsotonicRegression`` of scikit-learn 1.9.1 predicted of the same decisions."""
    found = fitted(Method.ISOTONIC, *counted(sample()))

    assert found[[10, 30, 50, 70, 90]] == pytest.approx(
        [0.225, 0.3956043956043956, 0.532258064516129, 0.5416666666666666, 0.6382978723404256], abs=1e-12
    )


@pytest.mark.parametrize("method", Method)
def test_every_map_rises_and_a_batch_is_its_rows(method: Method) -> None:
    tries, hits = counted(sample())
    falling = np.where(GRID > 0.5, tries * 0.2, tries * 0.8)

    batch = fitted(method, np.stack([tries, tries]), np.stack([hits, falling]))

    assert (np.diff(batch, axis=1) >= -1e-12).all()
    assert ((batch >= 0) & (batch <= 1)).all()
    assert batch[0] == pytest.approx(fitted(method, tries, hits), abs=1e-9)


@pytest.mark.parametrize("hit", [0.0, 1.0])
def test_labels_that_are_all_alike_have_a_map(hit: float) -> None:
    tries = np.zeros(LEVELS)
    tries[80] = 30
    for method in Method:
        found = fitted(method, tries, tries * hit)
        assert np.isfinite(found).all()


def test_little_evidence_allows_little() -> None:
    assert allowed(99) == (Method.STATED, Method.BASE_RATE)
    assert Method.ISOTONIC not in allowed(999)
    assert Method.ISOTONIC in allowed(1_000)


def test_what_is_tried_is_later_than_what_is_learnt_by_more_than_the_purge() -> None:
    sessions = np.repeat(np.arange(100, 160), 3)

    parts = list(forward_parts(sessions, purge=5))

    assert len(parts) == 5
    for learnt, tried in parts:
        assert sessions[tried].min() - sessions[learnt].max() > 5
    assert sum(tried.sum() for _, tried in parts) == 150


def agent(seed: int, true: Callable[[Floats], Floats], sessions: int = 120, symbols: int = 20) -> Judged:
    random = np.random.default_rng([seed, 5])
    stated = np.round(random.uniform(0.5, 0.95, sessions * symbols), 2)
    right = (random.random(len(stated)) < true(stated)).astype(np.float64)
    return Judged(stated, right, np.repeat(np.arange(sessions), symbols))


def out_of_sample(rows: Judged) -> tuple[float, float]:
    """Return mean log loss of what was stated and of maps, each chosen and fitted on what lay before it."""
    raw: list[Floats] = []
    mapped: list[Floats] = []
    for learnt, tried in forward_parts(rows.sessions, purge=5):
        before, later = rows.where(learnt), rows.where(tried)
        found = choose(before, purge=5, n_effective=float(len(before)))
        raw.append(losses(later.confidence, later.right))
        mapped.append(losses(found.apply(later.confidence), later.right))
    return float(np.concatenate(raw).mean()), float(np.concatenate(mapped).mean())


def test_maps_help_the_overconfident_and_cost_a_perfect_forecaster_next_to_nothing(
    request: pytest.FixtureRequest,
) -> None:
    """Out of sample, walking forward, in each seed; not on average."""
    seeds = range(100 if request.config.getoption("--long") else 20)
    vain = [out_of_sample(agent(seed, lambda p: 0.5 + 0.3 * (p - 0.5))) for seed in seeds]
    perfect = [out_of_sample(agent(seed, lambda p: p)) for seed in seeds]

    worst = max(mapped - raw for raw, mapped in perfect)
    print(f"overconfident: {np.mean([m - r for r, m in vain]):+.4f}, perfect: worst {worst:+.5f}")  # noqa: T201
    assert all(mapped <= raw for raw, mapped in vain)
    assert worst <= 0.002


def test_choice_says_what_was_tried_and_what_it_gains() -> None:
    found = choose(agent(1, lambda p: 0.5 + 0.3 * (p - 0.5)), purge=5, n_effective=2_400)

    tried = dict(found.tried)
    assert found.method in (Method.PLATT, Method.BETA, Method.ISOTONIC)
    assert set(tried) == set(Method)
    assert found.gain == pytest.approx(tried[Method.STATED] - tried[found.method])
    assert found.apply(np.array([0.9])) == pytest.approx([0.62], abs=0.05)


def test_without_decisions_what_is_stated_is_believed() -> None:
    none = Judged(np.array([]), np.array([]), np.array([], dtype=np.int64))

    assert choose(none, purge=5, n_effective=0) == Recalibration(Method.STATED, tuple(GRID.tolist()))


def test_signs_are_learnt_from_others_alone() -> None:
    """Turning the labels of one block of sessions around changes no sign within it, and those of others."""
    rows = agent(3, lambda p: 1.25 - p, sessions=50)
    held = rows.sessions < 10
    turned = Judged(rows.confidence, np.where(held, 0.0, rows.right), rows.sessions)
    others = Judged(rows.confidence, np.where(held, rows.right, 1.0), rows.sessions)

    before = held_out_signs(rows, purge=5)

    assert (held_out_signs(turned, purge=5)[held] == before[held]).all()
    assert (held_out_signs(others, purge=5)[held] == 1).all()
    assert (before[held] == -1).any()
