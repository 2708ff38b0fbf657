"""Time slots: every moment belongs to exactly one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.slots import slot_of

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants bounds without a zone


@given(moment=moments, interval=st.integers(10, 3600))
def test_slot_begins_at_most_one_interval_before_the_moment(moment: datetime, interval: int) -> None:
    slot = slot_of(moment, interval)

    assert slot % interval == 0
    assert slot <= moment.timestamp() < slot + interval


def test_two_beats_of_one_minute_share_their_slot() -> None:
    first, second = datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 59, 999999, UTC)

    assert slot_of(first, 60) == slot_of(second, 60) == int(first.timestamp())


@pytest.mark.parametrize("interval", [0, -60])
def test_interval_that_is_not_positive_is_an_error(interval: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        slot_of(datetime(2026, 1, 1, tzinfo=UTC), interval)
