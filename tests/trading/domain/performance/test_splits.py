from decimal import Decimal

import pytest

from trading.domain.performance.splits import split_price, split_ratio


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        (("30", "300"), ("120", "75.0001"), "4"),  # four for one
        (("100", "5"), ("10", "50"), "0.1"),  # one for ten
        (("-30", "300"), ("-120", "75"), "4"),  # what is owed is split, too
        (("10", "100"), ("20", "102.5"), None),  # as many were bought
        (("10", "100"), ("5", "100"), None),  # half was sold
        (("8", "40"), ("8.432", "37.950664137"), "1.054"),  # shares for a part that was spun off
        (("10", "100"), ("10.01", "99.9001"), None),  # too little to be one
        (("10", "100"), ("13", "76.92"), None),  # no split there is
        (("0", "0"), ("10", "100"), None),
        (("10", "100"), ("40", "0"), None),
    ],
)
def test_split_is_as_many_times_the_units_at_as_many_times_less_the_cost(
    before: tuple[str, str], after: tuple[str, str], ratio: str | None
) -> None:
    found = split_ratio(
        quantity=Decimal(before[0]),
        unit_cost=Decimal(before[1]),
        quantity_after=Decimal(after[0]),
        unit_cost_after=Decimal(after[1]),
    )

    assert found == (None if ratio is None else Decimal(ratio))


@pytest.mark.parametrize(
    ("price", "ratio", "tick", "stop", "target"),
    [
        ("285.13", "4", "0.01", "71.28", "71.29"),
        ("280", "4", "0.01", "70", "70"),
        ("71.28", "0.1", "0.01", "712.8", "712.8"),
        ("0.01", "4", "0.01", "0.01", "0.01"),
    ],
)
def test_prices_are_split_onto_the_tick(price: str, ratio: str, tick: str, stop: str, target: str) -> None:
    found = [split_price(Decimal(price), Decimal(ratio), tick=Decimal(tick), up=up) for up in (False, True)]

    assert found == [Decimal(stop), Decimal(target)]
