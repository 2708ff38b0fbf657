"""The curve as it is drawn: falls below its peak, the benchmark from where it is known, months that make a year."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import make_equity
from trading.performance.benchmark import Benchmark
from trading.performance.curves import MOST_POINTS, curve_points, equity_of_the_session, returns_by_year

NO_BENCHMARK = Benchmark("", [], [], "no bars")


def days(count: int, first: date = date(2026, 1, 5)) -> list[date]:
    return [first + timedelta(days=number) for number in range(count)]


def test_falls_are_below_the_highest_close_so_far() -> None:
    curve = list(zip(days(5), [100.0, 120.0, 90.0, 120.0, 132.0], strict=True))

    assert [point.fall for point in curve_points(curve, NO_BENCHMARK)] == [0, 0, -0.25, 0, 0]


def test_benchmark_starts_at_the_account_where_it_is_known_first() -> None:
    curve = list(zip(days(5), [100.0, 110.0, 120.0, 130.0, 140.0], strict=True))
    known_later = Benchmark("SPY", [0.1, -0.5], [2, 3])

    assert [point.benchmark for point in curve_points(curve, known_later)] == [None, None, 120, 132, 66]


def test_benchmark_that_has_a_gap_starts_anew_after_it() -> None:
    curve = list(zip(days(5), [100.0, 100.0, 100.0, 200.0, 100.0], strict=True))

    shown = [point.benchmark for point in curve_points(curve, Benchmark("SPY", [0.1, 0.1, 0.5], [0, 1, 3]))]

    assert shown == [100, pytest.approx(110), pytest.approx(121), 200, 300]


@given(st.lists(st.floats(0.9, 1.1), min_size=1, max_size=800))
def test_months_make_the_year_and_years_the_whole(steps: list[float]) -> None:
    values = [100.0]
    for step in steps:
        values.append(values[-1] * step)
    years = returns_by_year(list(zip(days(len(values)), values, strict=True)))

    for year in years:
        of_months = math.prod(1 + each for each in year.months if each is not None) - 1
        assert of_months == pytest.approx(year.whole)
    assert math.prod(1 + year.whole for year in years) == pytest.approx(values[-1] / values[0])


def test_nothing_on_record_is_nothing_drawn() -> None:
    assert curve_points([], NO_BENCHMARK) == []
    assert returns_by_year([]) == []


@pytest.mark.django_db
def test_session_is_thinned_and_ends_with_the_newest() -> None:
    opening = datetime(2026, 11, 3, 15, tzinfo=UTC)
    make_equity(market_time=opening - timedelta(days=1), equity=Decimal(1))
    for number in range(2 * MOST_POINTS):
        make_equity(market_time=opening + timedelta(seconds=number), equity=Decimal(100 + number))

    found = equity_of_the_session()

    assert len(found) == MOST_POINTS
    assert found[-1] == (
        (opening + timedelta(seconds=2 * MOST_POINTS - 1)).timestamp(),
        99.0 + 2 * MOST_POINTS,
    )
    assert min(value for _, value in found) >= 100
