from decimal import Decimal

import pytest

from trading.domain.protection.splits import split_ratio


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        (("30", "9000"), ("120", "9000.002"), "4"),  # four for one
        (("100", "500"), ("10", "500"), "0.1"),  # one for ten
        (("10", "1000"), ("20", "2050"), None),  # as many were bought
        (("10", "1000"), ("5", "500"), None),  # half was sold
        (("10", "1000"), ("10", "1000"), None),
        (("0", "0"), ("10", "1000"), None),
        (("-10", "-1000"), ("-40", "-1000"), None),
    ],
)
def test_split_is_more_units_at_the_same_cost(
    before: tuple[str, str], after: tuple[str, str], ratio: str | None
) -> None:
    found = split_ratio(
        quantity=Decimal(before[0]),
        cost=Decimal(before[1]),
        quantity_after=Decimal(after[0]),
        cost_after=Decimal(after[1]),
    )

    assert found == (None if ratio is None else Decimal(ratio))
