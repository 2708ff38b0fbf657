"""What sells a shadow's position by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from evaluation.domain.shadow_exits import (
    PlannedExit,
    Watched,
    after_split,
    entered,
    followed,
    split_between,
    why_sold,
)

NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)  # a Monday
PLAN = PlannedExit(
    stop_percent=Decimal(5),
    target_percent=Decimal(10),
    trailing_percent=None,
    sessions=None,
    tightest_percent=Decimal("0.5"),
    widest_percent=Decimal(15),
)


def position(symbol: str = "AAPL", price: str = "100", plan: PlannedExit = PLAN) -> Watched:
    return entered(None, symbol, plan=plan, price=Decimal(price), at=NOON)


def test_stop_and_target_stand_where_the_fill_puts_them() -> None:
    watched = position(price="200")

    assert (watched.stop_price, watched.target_price) == (190, 220)


@pytest.mark.parametrize(
    ("price", "why"),
    [("95", "stop_loss"), ("95.01", None), ("109.99", None), ("110", "take_profit"), (None, None)],
)
def test_it_is_sold_at_the_price_that_crosses(price: str | None, why: str | None) -> None:
    assert why_sold(position(), None if price is None else Decimal(price), NOON) == why


def test_of_two_entries_the_lowest_stop_and_the_highest_target_hold() -> None:
    both = entered(position(), "AAPL", plan=PLAN, price=Decimal(120), at=NOON + timedelta(hours=1))

    assert (both.stop_price, both.target_price, len(both.entries)) == (95, 132, 2)


def test_trailing_stop_rises_and_never_falls() -> None:
    watched = position(plan=replace(PLAN, trailing_percent=Decimal(2), target_percent=None))

    risen = followed(watched, "AAPL", Decimal(150))

    assert (risen.stop_price, risen.is_trailing) == (147, True)
    assert followed(risen, "AAPL", Decimal(140)).stop_price == 147
    assert why_sold(risen, Decimal(147), NOON) == "trailing_stop"


def test_it_is_sold_after_its_sessions() -> None:
    watched = position(plan=replace(PLAN, sessions=2))

    assert why_sold(watched, Decimal(100), NOON + timedelta(hours=3)) is None
    assert why_sold(watched, None, NOON + timedelta(days=1, hours=4)) == "time_stop"
    forever = entered(watched, "AAPL", plan=PLAN, price=Decimal(100), at=NOON)
    assert forever.sell_by is None, "one of its entries has no end"


def test_split_moves_all_its_prices() -> None:
    split = after_split(position(plan=replace(PLAN, trailing_percent=Decimal(2))), "AAPL", Decimal(4))

    assert (split.stop_price, split.target_price, split.highest_price) == (
        Decimal("23.75"),
        Decimal("27.5"),
        25,
    )
    assert split.entries[0].price == 25


@pytest.mark.parametrize(
    ("before", "now", "ratio"),
    [
        ("100", "25", 4),
        ("100", "25.01", 4),
        ("10", "100", Decimal("0.1")),
        ("100", "99", None),
        ("100", "0", None),
    ],
)
def test_split_is_seen_by_a_day_that_is_told_anew(before: str, now: str, ratio: Decimal | None) -> None:
    assert split_between(Decimal(before), Decimal(now)) == ratio
