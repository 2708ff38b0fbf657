"""How long a thesis has, and when a sale goes against it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.prices import NEW_YORK
from trading.domain.protection.horizons import is_against_thesis, sessions_held, sessions_left

THURSDAY = datetime(2020, 10, 15, 14, 0, tzinfo=UTC)
moments = st.integers(0, 1000 * 86_400).map(lambda seconds: THURSDAY + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("days", "stock", "coin"),
    [(-1, 1, 1), (0, 1, 1), (1, 2, 2), (2, 2, 3), (4, 3, 5), (7, 6, 8), (14, 11, 15)],
)
def test_sessions_are_weekdays_of_a_stock_and_days_of_a_coin(days: int, stock: int, coin: int) -> None:
    now = THURSDAY + timedelta(days=days)

    assert sessions_held(THURSDAY, now, is_coin=False) == stock
    assert sessions_held(THURSDAY, now, is_coin=True) == coin


@given(opened_at=moments, days=st.integers(0, 400))
def test_weekdays_are_counted_as_one_by_one(opened_at: datetime, days: int) -> None:
    now = opened_at + timedelta(days=days)
    first, last = (moment.astimezone(NEW_YORK).date() for moment in (opened_at, now))
    one_by_one = sum((first + timedelta(days=n)).weekday() < 5 for n in range(1, (last - first).days + 1))

    assert sessions_held(opened_at, now, is_coin=False) == 1 + one_by_one


def test_what_is_left_of_a_horizon() -> None:
    assert [sessions_left(3, held) for held in (1, 2, 3, 4, 9)] == [3, 2, 1, 0, 0]
    assert sessions_left(None, 4) is None


@pytest.mark.parametrize(
    ("changed", "against"),
    [
        ({}, True),
        ({"price": Decimal(95)}, False),
        ({"price": Decimal(94)}, False),
        ({"price": Decimal(110)}, False),
        ({"price": None}, False),
        ({"held": 5}, False),
        ({"held": 4}, True),
        ({"horizon_sessions": None}, False),
        ({"stop_price": None, "target_price": None}, True),
    ],
    ids=str,
)
def test_a_sale_goes_against_its_thesis(changed: dict[str, Any], against: bool) -> None:
    facts: dict[str, Any] = {
        "price": Decimal(101),
        "stop_price": Decimal(95),
        "target_price": Decimal(110),
        "horizon_sessions": 5,
        "held": 2,
    }

    assert is_against_thesis(**(facts | changed)) is against
