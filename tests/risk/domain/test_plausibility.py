"""Which price is believed: by what was known before it, by a second source, and by nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.domain.plausibility import WIDEST, band_width, judge_price
from risk.domain.types import PriceBand, PriceFacts, Reference
from tests.risk.values import make_band, make_facts

NAN, INFINITY = Decimal("NaN"), Decimal("Infinity")
AT = datetime(2020, 10, 15, 15, tzinfo=UTC)


def said(price: object, source: str = "alpaca") -> Reference:
    return Reference(Decimal(str(price)), source, AT)


def believes(price: object, facts: PriceFacts | None) -> bool:
    return judge_price(Decimal(str(price)), facts).problem == ""


@pytest.mark.parametrize(
    ("price", "believed"), [(120, True), ("120.01", False), ("83.34", True), (83, False)]
)
def test_price_is_believed_within_the_floor_of_the_last_close(price: object, believed: bool) -> None:
    """By ratio: 120 is as far from 100 as 83.33 is."""
    assert believes(price, make_facts()) is believed


@pytest.mark.parametrize(
    ("volatility", "width"), [("0.01", "0.2"), ("0.05", "0.4"), ("0.3", "1"), (NAN, "0.2"), ("-0.1", "0.2")]
)
def test_band_is_as_wide_as_eight_volatilities_and_never_wider_than_twice(
    volatility: Any, width: str
) -> None:
    assert band_width(make_band(), Decimal(volatility)) == Decimal(width)


def test_band_is_wider_where_large_moves_are_usual() -> None:
    opening = make_facts(band=make_band(widening=Decimal("1.5")))

    assert (believes(125, make_facts()), believes(125, opening)) == (False, True)


@pytest.mark.parametrize("tick", [10, 1000])
def test_tick_at_a_tenth_is_not_believed_of_the_most_volatile_asset(tick: int) -> None:
    facts = make_facts(daily_volatility=Decimal(5), band=make_band(widening=Decimal(3)))

    assert not believes(tick, facts)


def test_price_must_agree_with_what_was_stored_a_moment_ago_too() -> None:
    risen = make_facts(recent=(said(118), said(117), said(116)))

    assert (believes(119, risen), believes(90, risen), believes(90, make_facts())) == (True, False, True)


def test_wrong_price_that_was_stored_makes_no_other_believed_and_no_right_one_doubted() -> None:
    poisoned = make_facts(recent=(said(10), said(10), said(10)))

    assert (believes(10, poisoned), believes(101, poisoned)) == (False, True)


def test_median_of_recent_prices_counts_where_no_close_is_known() -> None:
    """One wrong tick neither passes for the next nor makes the right ones wrong."""
    facts = make_facts(close=None, recent=(said(10), said(101), said(100)))

    assert (believes(100, facts), believes(10, facts)) == (True, False)


def test_second_source_confirms_a_gap() -> None:
    """A real one: results over night, a split."""
    told = make_facts(second=said("70.5", "coingecko"))

    verdict = judge_price(Decimal(70), told)

    assert verdict.problem == ""
    assert verdict.figures["price_second"] == Decimal("70.5")
    assert verdict.figures["price_second_source"] == "coingecko"


@pytest.mark.parametrize("second", ["73", "68"])
def test_second_source_that_is_not_close_confirms_nothing(second: str) -> None:
    assert not believes(70, make_facts(second=said(second)))


def test_second_source_far_away_denies_what_history_would_believe() -> None:
    verdict = judge_price(Decimal(100), make_facts(second=said(111, "coingecko")))

    assert verdict.problem == "coingecko says 111, 11.0 % apart"


def test_second_source_a_little_away_is_a_warning_of_others() -> None:
    assert believes(100, make_facts(second=said(105)))


def test_second_source_alone_is_enough() -> None:
    assert believes(100, make_facts(close=None, second=said(101)))
    assert not believes(100, make_facts(close=None, second=said(105)))


@pytest.mark.parametrize("facts", [None, make_facts(close=None), make_facts(close=NAN), make_facts(close=-5)])
def test_price_without_anything_to_hold_it_against_is_not_believed(facts: PriceFacts | None) -> None:
    """docs/lessons.md#lesson-29."""
    assert not believes(100, facts)


@pytest.mark.parametrize("name", ["floor", "sigmas", "agreement", "disagreement", "widening"])
@pytest.mark.parametrize("value", [None, NAN, INFINITY, Decimal(-1), Decimal("1e9")])
def test_band_whose_settings_are_no_numbers_believes_nothing(name: str, value: Any) -> None:
    """docs/lessons.md#lesson-29."""
    assert not believes(100, make_facts(band=replace(make_band(), **{name: value})))


def test_answer_names_the_band_and_where_it_comes_from() -> None:
    facts = PriceFacts(make_band(), recent=(said(105),), close=Reference(Decimal(100), "daily bar", AT))

    verdict = judge_price(Decimal(10), facts)

    assert verdict.problem == (
        "900.0 % from 100 (daily bar), more than 20.0 %, and no second source confirms it"
    )
    assert verdict.figures == {
        "price_low": Decimal("87.5"),
        "price_high": Decimal(120),
        "price_band_percent": Decimal(20),
        "price_close": Decimal(100),
        "price_close_source": "daily bar",
        "price_close_at": AT.isoformat(),
        "price_recent": Decimal(105),
        "price_recent_source": "alpaca",
        "price_recent_at": AT.isoformat(),
    }


usable = st.decimals("0.000001", "1000000", places=6)
ratios = st.decimals("0", "1", places=4)
wild = st.none() | st.decimals(allow_nan=True, allow_infinity=True)
wild_references = st.none() | st.builds(Reference, wild, st.just("somewhere"), st.none() | st.just(AT))  # type: ignore[arg-type]  # what no caller may give


@settings(max_examples=300, deadline=None)
@given(
    price=wild,
    facts=st.builds(
        PriceFacts,
        band=st.builds(PriceBand, *[wild | ratios] * 5),  # type: ignore[arg-type]  # as above
        recent=st.lists(wild_references, max_size=4).map(tuple),  # type: ignore[arg-type]  # as above
        close=wild_references,
        second=wild_references,
        daily_volatility=wild,
    ),
)
def test_answer_is_given_whatever_is_known(price: Decimal | None, facts: PriceFacts) -> None:
    """docs/lessons.md#lesson-5, #lesson-28: it never raises, and what is believed is a price."""
    verdict = judge_price(price, facts)

    if verdict.problem == "":
        assert price is not None
        assert price.is_finite()
        assert price > 0


@settings(max_examples=200, deadline=None)
@given(close=usable, near=usable, far=usable, volatility=ratios)
def test_price_between_the_close_and_a_believed_one_is_believed(
    close: Decimal, near: Decimal, far: Decimal, volatility: Decimal
) -> None:
    facts = make_facts(close=close, daily_volatility=volatility)
    if min(close, far) <= near <= max(close, far) and believes(far, facts):
        assert believes(near, facts)


@settings(max_examples=200, deadline=None)
@given(price=usable, close=usable, floor=ratios, wider=ratios, volatility=ratios, more=ratios)
def test_wider_band_believes_all_that_a_narrower_one_does(
    price: Decimal, close: Decimal, floor: Decimal, wider: Decimal, volatility: Decimal, more: Decimal
) -> None:
    narrow = make_facts(close=close, band=make_band(floor=floor), daily_volatility=volatility)
    wide = replace(narrow, band=make_band(floor=max(floor, wider)), daily_volatility=max(volatility, more))
    if believes(price, narrow):
        assert believes(price, wide)


@settings(max_examples=200, deadline=None)
@given(price=usable, close=usable, volatility=wild, widening=st.decimals("1", "100", places=2))
def test_nothing_beyond_twice_or_half_is_believed_without_a_second_source(
    price: Decimal, close: Decimal, volatility: Decimal | None, widening: Decimal
) -> None:
    facts = make_facts(close=close, daily_volatility=volatility, band=make_band(widening=widening))
    if believes(price, facts):
        assert max(price, close) <= min(price, close) * (1 + WIDEST)
