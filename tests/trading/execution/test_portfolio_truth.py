"""What was just bought and is not in the positions yet counts on; nothing else does."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from trading.execution.portfolio_truth import LAG, is_missing

JUST_NOW = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("side", "held", "age", "missing"),
    [
        ("buy", "0", JUST_NOW, True),
        ("buy", "9.8", JUST_NOW, True),
        ("buy", "9.95", JUST_NOW, False),  # a coin's fee is taken of what was bought
        ("buy", "10", JUST_NOW, False),
        (
            "buy",
            "0",
            LAG + JUST_NOW,
            False,
        ),  # sold by hand meanwhile, or gone: the broker's word is the truth
        ("buy", "0", None, False),
        ("sell", "10", JUST_NOW, False),
    ],
)
def test_only_a_buy_of_the_last_seconds_is_missed(
    side: str, held: str, age: timedelta | None, missing: bool
) -> None:
    now = timezone.now()
    ended_at = now - age if age is not None else None

    assert (
        is_missing(side=side, filled=Decimal(10), ended_at=ended_at, held=Decimal(held), now=now) is missing
    )
