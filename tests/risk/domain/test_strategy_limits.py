"""A strategy's limits are only ever tighter: when they are set, and when they judge."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.domain.gate import judge
from risk.domain.limits import LIMIT_NAMES, StrategyLimits, looser, tighter
from risk.domain.reasons import DenyReason
from risk.domain.types import LimitValues
from tests.risk.values import make_book, make_intent

PERCENT = st.decimals(min_value="0.1", max_value=100, places=3)
COUNT = st.integers(min_value=1, max_value=50)
ACCOUNTS = st.builds(LimitValues, st.just(3), PERCENT, PERCENT, COUNT, PERCENT)
OWN = st.builds(
    StrategyLimits,
    st.just(7),
    st.none() | PERCENT,
    st.none() | PERCENT,
    st.none() | COUNT,
    st.none() | PERCENT,
)


def account(**overrides: Any) -> LimitValues:
    figures = {
        "max_position_percent": Decimal(10),
        "max_exposure_percent": Decimal(50),
        "max_positions": 15,
        "max_daily_loss_percent": Decimal(5),
    }
    return LimitValues(version=3, **(figures | overrides))


@given(account=ACCOUNTS, own=OWN)
def test_no_merged_limit_is_above_either(account: LimitValues, own: StrategyLimits) -> None:
    merged = tighter(account, own)

    for name in LIMIT_NAMES:
        given = [value for value in (getattr(account, name), getattr(own, name)) if value is not None]
        assert getattr(merged, name) == min(given)
    assert (merged.version, merged.strategy_version) == (3, 7)


@given(account=ACCOUNTS, own=OWN, size=PERCENT)
def test_a_strategys_limits_never_allow_more(
    account: LimitValues, own: StrategyLimits, size: Decimal
) -> None:
    """docs/lessons.md#lesson-26."""
    intent, book = make_intent(size_percent=size), make_book()

    without, merged = judge(intent, book, account), judge(intent, book, tighter(account, own))

    assert merged.quantity <= without.quantity
    if merged.allowed and own.max_position_percent is not None:
        assert book.equity is not None
        assert merged.notional <= book.equity * own.max_position_percent / 100


def test_an_entry_is_cut_to_the_strategys_position_limit() -> None:
    own = StrategyLimits(7, max_position_percent=Decimal(1))

    verdict = judge(make_intent(size_percent=Decimal(3)), make_book(), tighter(account(), own))

    assert verdict.notional == Decimal(1000)
    assert (verdict.figures["limits_version"], verdict.figures["strategy_version"]) == ("3", "7")
    assert verdict.figures["max_position_percent"] == "1"


def test_the_account_counts_where_it_became_tighter_later() -> None:
    own = StrategyLimits(7, max_position_percent=Decimal(8))

    merged = tighter(account(max_position_percent=Decimal(2)), own)

    assert merged.max_position_percent == 2


def test_a_strategys_limit_on_positions_denies() -> None:
    book = make_book(exposures={"MSFT": Decimal(100)})

    verdict = judge(make_intent(), book, tighter(account(), StrategyLimits(7, max_positions=1)))

    assert verdict.reason is DenyReason.MAX_POSITIONS


def test_an_exit_is_not_held_back_by_a_strategys_limits() -> None:
    """docs/lessons.md#lesson-32."""
    book = make_book(exposures={"AAPL": Decimal(90_000)}, held_quantity=Decimal(5))

    verdict = judge(make_intent(reducing=True), book, tighter(account(), StrategyLimits(7, Decimal(1))))

    assert verdict.quantity == 5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal(11), "max_position_percent: was 11, expected at most the account's 10 (limits version 3):"),
        (Decimal(0), "max_position_percent: was 0, expected a number above 0, or nothing"),
        (Decimal("NaN"), "max_position_percent: was NaN, expected a number above 0, or nothing"),
    ],
)
def test_a_looser_limit_is_refused_with_the_figure(value: Decimal, expected: str) -> None:
    problems = looser({"max_position_percent": value, "max_positions": 15}, account())

    assert list(problems) == ["max_position_percent"]
    assert problems["max_position_percent"].startswith(expected)


def test_limits_beside_none_are_refused() -> None:
    assert "set those first" in looser({"max_positions": 3}, None)["max_positions"]
    assert looser({"max_positions": None}, None) == {}
