"""Ages and waits by stored times: what lies in the future is neither fresh nor waited for."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trading.domain.ages import SLACK, TOLERANCE, in_force, is_fresh, is_fresh_age, is_to_come

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SPANS = st.timedeltas(min_value=timedelta(hours=-3), max_value=timedelta(hours=3))
LONGEST = st.timedeltas(min_value=timedelta(0), max_value=timedelta(hours=1))
TICK = timedelta(microseconds=1)


@given(age=SPANS, longest=LONGEST)
def test_fresh_is_between_the_tolerance_and_the_longest_age(age: timedelta, longest: timedelta) -> None:
    assert is_fresh(NOW - age, NOW, longest) == (-TOLERANCE <= age <= longest)
    assert is_fresh_age(age, longest) == is_fresh(NOW - age, NOW, longest)


@given(step=st.timedeltas(min_value=TOLERANCE + TICK, max_value=timedelta(hours=3)), longest=LONGEST)
def test_nothing_stored_before_a_step_back_is_fresh(step: timedelta, longest: timedelta) -> None:
    assert not is_fresh(NOW, NOW - step, longest)


@given(left=SPANS, longest=LONGEST)
def test_a_lease_is_in_force_while_what_is_left_was_ever_given(left: timedelta, longest: timedelta) -> None:
    assert in_force(NOW + left, NOW, longest) == (timedelta(0) < left <= longest + SLACK)


@given(step=SPANS, longest=st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(hours=1)))
def test_whatever_the_step_a_lease_ends_within_its_longest(step: timedelta, longest: timedelta) -> None:
    until = NOW + longest  # given now; then the clock steps, and the longest passes
    stepped = NOW + step

    assert not in_force(until, stepped + longest + SLACK, longest) or not in_force(until, stepped, longest)


def test_what_is_not_known_is_neither_fresh_nor_in_force() -> None:
    assert not is_fresh(None, NOW, timedelta(days=1))
    assert not in_force(None, NOW, timedelta(days=1))


@given(ahead=SPANS)
def test_what_happened_later_than_now_tells_a_step_back(ahead: timedelta) -> None:
    assert is_to_come(NOW + ahead, NOW) == (ahead > SLACK)
