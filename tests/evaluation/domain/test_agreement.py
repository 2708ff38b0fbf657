"""How often answers agree."""

import numpy as np
import pytest
import scipy

from evaluation.domain.agreement import action_agreement, flips, mcnemar, modal
from evaluation.domain.intervals import Basis


def test_modal_action_has_the_median_confidence_of_those_who_say_it() -> None:
    found = modal([("buy", 0.9), ("hold", 0.5), ("buy", 0.7)])

    assert (found.action, found.agreement, found.confidence) == (
        "buy",
        pytest.approx(2 / 3),
        pytest.approx(0.8),
    )
    assert found.is_stable(least=2 / 3)
    assert not found.is_stable(least=0.7)


@pytest.mark.parametrize(
    ("samples", "action"),
    [(["buy", "hold"], "hold"), (["buy", "sell"], "sell"), (["buy", "sell", "hold"], "hold"), ([], "hold")],
)
def test_a_tie_does_less(samples: list[str], action: str) -> None:
    assert modal([(each, 0.8) for each in samples]).action == action


def test_flips_are_counted_by_pair() -> None:
    found = flips([("buy", "hold")] * 3 + [("hold", "buy")] + [("sell", "sell")] * 2)

    assert found.table == ((0, 3, 0), (1, 0, 0), (0, 0, 2))
    assert (found.total, list(found.changed.items())) == (6, [(("buy", "hold"), 3), (("hold", "buy"), 1)])


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (3, 12), (40, 41), (700, 900)])
def test_mcnemar_equals_the_exact_binomial_test(first: int, second: int) -> None:
    before = [True] * first + [False] * second + [True, False]
    after = [False] * first + [True] * second + [True, False]

    found = mcnemar(before, after)

    expected = scipy.stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert (found.both, found.only_before, found.only_after, found.neither) == (1, first, second, 1)


def test_agreement_of_a_model_that_flips_has_an_interval_around_it() -> None:
    same = np.random.default_rng(1).random(2_000) < 0.7
    pairs = [("buy", "buy" if each else "hold") for each in same]

    found = action_agreement(pairs, [n // 20 for n in range(2_000)], Basis())

    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.7 < found.high < 0.75
