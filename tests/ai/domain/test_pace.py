"""What a measured speed allows, and that what is said to fit does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.domain.pace import SURE_SHARE, Pace


def test_a_pace_in_figures() -> None:
    pace = Pace(seconds_per_symbol=2.5, calls_at_once=2)

    assert pace.symbols_per_minute == 48
    assert pace.fitting(30) == 20
    assert pace.seconds_for(20) == 30
    assert Pace(60, 1).fitting(30) == 1


@pytest.mark.parametrize(("seconds", "calls"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_a_pace_that_is_none_is_refused(seconds: float, calls: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Pace(seconds, calls)


@given(seconds=st.floats(0.01, 100), calls=st.integers(1, 16), symbols=st.integers(1, 500))
def test_the_time_that_is_named_is_enough(seconds: float, calls: int, symbols: int) -> None:
    pace = Pace(seconds, calls)

    needed = pace.seconds_for(symbols)

    assert pace.fitting(needed + 1e-6) >= symbols
    assert pace.fitting(needed) * seconds / calls <= max(needed * SURE_SHARE, seconds)
