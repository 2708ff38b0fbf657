"""What a broker's word for cash stands for, and how an amount is shared."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.performance.broker_cash import cash_kind, shares_of, told_before

D = Decimal
CENT = D("0.01")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("DIV", "dividend"),
        ("DIVNRA", "dividend"),
        ("DIVFEE", "fee"),
        ("CIL", "dividend"),
        ("INT", "interest"),
        ("FEE", "fee"),
        ("JNLC", "transfer"),
        ("CSW", "transfer"),
        ("XYZ", "other"),
    ],
)
def test_words_of_the_broker(word: str, kind: str) -> None:
    assert cash_kind(word) == kind


@given(
    st.decimals("-1000", "1000", places=6),
    st.lists(st.decimals("0.000000001", "1000", places=9), min_size=1, max_size=6),
)
def test_parts_sum_to_the_amount(amount: Decimal, weights: list[Decimal]) -> None:
    parts = shares_of(amount, weights)

    assert sum(parts) == amount
    assert len(parts) == len(weights)


def test_parts_are_as_the_weights_are() -> None:
    assert shares_of(D("12.50"), [D(3), D(2)]) == [D("7.5"), D("5.0")]
    with pytest.raises(ValueError, match="must be positive"):
        shares_of(D(1), [])


@pytest.mark.parametrize(
    ("gap", "fresh", "unexplained", "late"),
    [
        ("12.50", "12.50", "0", "0"),  # it explains what is seen now
        ("0", "12.50", "12.50", "12.50"),  # it explains what was told before
        ("3", "15.50", "20", "12.50"),  # one of each
        ("0", "12.50", "0", "0"),  # it is told of before its effect: nothing of that was taken in
        ("0", "12.50", "-12.50", "0"),
        ("0", "12.50", "5", "0"),
    ],
)
def test_cash_that_is_told_of_later_explains_what_was_unexplained(
    gap: str, fresh: str, unexplained: str, late: str
) -> None:
    assert told_before(gap=D(gap), fresh=D(fresh), unexplained=D(unexplained), cent=CENT) == D(late)
