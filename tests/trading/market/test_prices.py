"""When a price may be used, and when two of them disagree."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.prices import age_problem, disagreement

NOW = datetime(2020, 10, 15, 14, tzinfo=UTC)
PRICES = st.decimals("0.00000001", "1000000", places=8)


@given(st.integers(-100_000, 100_000), st.integers(1, 3600))
def test_price_is_used_within_its_age_in_both_directions(age: int, limit: int) -> None:
    assert (age_problem(NOW - timedelta(seconds=age), NOW, limit) == "") == (abs(age) <= limit)


def test_problem_says_which_and_by_how_much() -> None:
    assert age_problem(NOW - timedelta(seconds=91), NOW, 90) == "stale, 91 s old"
    assert age_problem(NOW + timedelta(seconds=91), NOW, 90) == "from the future, 91 s ahead"


@given(PRICES, PRICES)
def test_disagreement_is_the_distance_in_parts_of_the_first(first: Decimal, second: Decimal) -> None:
    apart = disagreement(first, second)

    assert apart >= 0
    assert (apart == 0) == (first == second)


@pytest.mark.parametrize(("first", "second"), [("0", "1"), ("1", "0"), ("-1", "1")])
def test_price_that_is_none_is_not_compared(first: str, second: str) -> None:
    """docs/lessons.md#lesson-18."""
    with pytest.raises(ValueError, match="must be positive"):
        disagreement(Decimal(first), Decimal(second))
