"""What a strategy may say of its exits; what it may not is named."""

from decimal import Decimal
from typing import Any

import pytest

from trading.domain.protection.rule_bounds import RULE_NAMES, rule_problems

SOUND: dict[str, Any] = {
    "stop_percent": Decimal(5),
    "stop_atr_multiple": None,
    "target_percent": None,
    "reward_to_risk": Decimal(2),
    "trailing_percent": None,
    "time_stop_sessions": None,
    "tightest_stop_percent": Decimal("0.5"),
    "widest_stop_percent": Decimal(15),
}


def test_the_defaults_can_be_taken() -> None:
    assert set(SOUND) == set(RULE_NAMES)
    assert rule_problems(SOUND) == {}
    assert rule_problems({"stop_percent": Decimal(50)}) == {}, "what is missing is not judged"


@pytest.mark.parametrize("value", ["0", "-5", "NaN", "Infinity", "100", "1e400"])
@pytest.mark.parametrize(
    "name", ["stop_percent", "trailing_percent", "tightest_stop_percent", "widest_stop_percent"]
)
def test_an_absurd_figure_is_named(name: str, value: str) -> None:
    problems = rule_problems(SOUND | {name: Decimal(value)})

    assert problems[name].startswith(
        f"{name}: was {Decimal(value)}, expected a number above 0 and at most 99"
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stop_percent": None}, "stop_percent: was not given, expected a number above 0 and at most 99"),
        (
            {"stop_percent": Decimal(20)},
            "stop_percent: was 20, expected 0.5 to 15, as tightest and widest stop say",
        ),
        ({"trailing_percent": Decimal("0.1")}, "trailing_percent: was 0.1, expected 0.5 to 15,"),
        (
            {"tightest_stop_percent": Decimal(16)},
            "tightest_stop_percent: was 16, expected at most the widest stop, 15",
        ),
        (
            {"time_stop_sessions": 0},
            "time_stop_sessions: was 0, expected a number above 0 and at most 2500, or",
        ),
        (
            {"reward_to_risk": Decimal(-1)},
            "reward_to_risk: was -1, expected a number above 0 and at most 100, or",
        ),
    ],
)
def test_figures_that_do_not_go_together_are_named(changed: dict[str, Any], said: str) -> None:
    [problem] = rule_problems(SOUND | changed).values()

    assert problem.startswith(said)
