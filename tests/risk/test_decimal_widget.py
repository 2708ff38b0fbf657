"""How forms show a stored decimal."""

from decimal import Decimal

import pytest

from risk.decimal_widget import PlainDecimalWidget


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (Decimal("6.000"), "6"),
        (Decimal("0.250"), "0.25"),
        (Decimal("1E+2"), "100"),
        ("6.0", "6.0"),
        (None, None),
    ],
)
def test_a_stored_number_has_no_zeros_and_a_typed_one_stays(stored: object, shown: str | None) -> None:
    assert PlainDecimalWidget().format_value(stored) == shown
