"""Decimal numbers: written plainly, read back, and nothing else written by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.domain.numbers import finite_decimal, plain_decimal, share_percent


@pytest.mark.parametrize(
    ("value", "text"), [("1E+2", "100"), ("0.50", "0.5"), ("-1306.8900", "-1306.89"), ("0E-9", "0")]
)
def test_number_is_written_without_exponent_and_trailing_zeros(value: str, text: str) -> None:
    assert plain_decimal(Decimal(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12))
def test_what_is_written_is_read_back(value: Decimal) -> None:
    assert finite_decimal(plain_decimal(value)) == value


@pytest.mark.parametrize("text", [None, "", "NaN", "-Infinity", "twelve", object()])
def test_what_says_no_number_is_none(text: object) -> None:
    assert finite_decimal(text) is None


@pytest.mark.parametrize(("whole", "percent"), [("400", "25"), ("0", "0"), ("-400", "0")])
def test_share_of_nothing_is_nothing(whole: str, percent: str) -> None:
    assert share_percent(Decimal(100), Decimal(whole)) == Decimal(percent)
