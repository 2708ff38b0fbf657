"""What a measured speed allows, and that what is said to fit does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.domain.pace import SURE_SHARE, Pace, TimedCall, pace_of

BEGIN = datetime(2020, 10, 15, 13, 31, tzinfo=UTC)


def call(begins: float, ends: float, symbols: int) -> TimedCall:
    return TimedCall(BEGIN + timedelta(seconds=begins), BEGIN + timedelta(seconds=ends), symbols)


def test_a_pace_in_figures() -> None:
    pace = Pace(seconds_per_symbol=2.5)

    assert pace.symbols_per_minute == 24
    assert pace.fitting(30) == 10
    assert pace.seconds_for(20) == 60
    assert Pace(60).fitting(30) == 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_pace_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Pace(seconds)


def test_the_time_of_calls_beside_each_other_counts_once_and_idle_time_never() -> None:
    beside = [call(0, 10, 5), call(2, 8, 5), call(5, 20, 10)]
    later = [call(1000, 1020, 20)]

    assert pace_of(beside) == Pace(1.0)
    assert pace_of([*later, *beside]) == Pace(1.0)


def test_a_call_that_told_nothing_costs_its_time() -> None:
    assert pace_of([call(0, 10, 10), call(10, 40, 0)]) == Pace(4.0)
    assert pace_of([call(0, 30, 0)]) is None
    assert pace_of([]) is None


@given(seconds=st.floats(0.01, 100), symbols=st.integers(1, 500))
def test_the_time_that_is_named_is_enough(seconds: float, symbols: int) -> None:
    pace = Pace(seconds)

    needed = pace.seconds_for(symbols)

    assert pace.fitting(needed + 1e-6) >= symbols
    assert pace.fitting(needed) * seconds <= max(needed * SURE_SHARE, seconds)
