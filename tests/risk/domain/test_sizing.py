"""Sizes are rounded down, in exact decimals."""

from decimal import Decimal

import pytest

from risk.domain.sizing import meets_minimum, percent_of, round_down
from tests.risk.values import make_rules


@pytest.mark.parametrize(
    ("quantity", "step", "fractionable", "rounded"),
    [
        ("1.9999999999", "0.000000001", True, "1.999999999"),
        ("0.0000000009", "0.000000001", True, "0"),
        ("7.77", "0.05", True, "7.75"),
        ("7.99", "0.000000001", False, "7"),
        ("0.99", "0.000000001", False, "0"),
        ("250", "100", False, "200"),
    ],
)
def test_quantity_is_rounded_down_to_the_step(
    quantity: str, step: str, fractionable: bool, rounded: str
) -> None:
    """docs/lessons.md#lesson-2."""
    rules = make_rules(quantity_step=Decimal(step), fractionable=fractionable)

    assert round_down(Decimal(quantity), rules) == Decimal(rounded)


def test_percentage_is_exact() -> None:
    """docs/lessons.md#lesson-39: 3 % of 0.1 is not 0.0030000000000000001."""
    assert percent_of(Decimal("0.1"), Decimal(3)) == Decimal("0.003")


@pytest.mark.parametrize(
    ("quantity", "price", "meets"),
    [("0.5", "20", True), ("0.4999", "100", False), ("0.5", "19.99", False), ("0", "100", False)],
)
def test_minimum_is_inclusive_in_quantity_and_value(quantity: str, price: str, meets: bool) -> None:
    rules = make_rules(min_quantity=Decimal("0.5"), min_notional=Decimal(10))

    assert meets_minimum(Decimal(quantity), Decimal(price), rules) is meets
