"""The account at the close of each session."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.factories import make_equity
from trading.performance.spans import points_of, span_of

pytestmark = pytest.mark.django_db
CLOSE = datetime(2026, 11, 2, 21, tzinfo=UTC)


def test_a_session_ends_with_the_last_of_its_syncs_one_in_the_moment_of_the_close_included() -> None:
    for hour, equity in ((15, 1), (20, 2), (21, 3), (22, 4)):
        make_equity(market_time=CLOSE.replace(hour=hour), equity=equity)

    found = [(point.day.day, int(point.equity), point.is_whole) for point in points_of(span_of(None, None))]

    assert found == [(2, 3, True), (3, 4, False)]


def test_of_syncs_in_one_moment_and_without_a_number_the_newest_counts() -> None:
    for equity in (1, 3, 2):
        make_equity(pk=UUID(int=equity), market_time=CLOSE, equity=equity, sync_sequence=None)

    assert [int(point.equity) for point in points_of(span_of(None, None))] == [3]
