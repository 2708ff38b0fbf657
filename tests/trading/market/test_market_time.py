"""Whether stocks trade: the broker's word, and the exchange's calendar where it has not been had for long."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tests.factories import make_agent
from trading.market.market_time import stocks_trade_now

SILENCE = timedelta(minutes=10)
OPEN, CLOSE = datetime(2020, 10, 15, 13, 30, tzinfo=UTC), datetime(2020, 10, 15, 20, tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("at", "trades"),
    [
        pytest.param(OPEN, True, id="the opening"),
        pytest.param(datetime(2020, 10, 15, 13, 29, tzinfo=UTC), False, id="a minute before it"),
        pytest.param(datetime(2020, 10, 15, 19, 59, tzinfo=UTC), True, id="the last minute"),
        pytest.param(CLOSE, False, id="the close"),
        pytest.param(datetime(2020, 10, 17, 15, tzinfo=UTC), False, id="a Saturday"),
        pytest.param(datetime(2026, 11, 26, 15, tzinfo=UTC), False, id="Thanksgiving"),
        pytest.param(datetime(2026, 11, 27, 17, 59, tzinfo=UTC), True, id="before an early close"),
        pytest.param(datetime(2026, 11, 27, 18, tzinfo=UTC), False, id="an early close"),
        pytest.param(datetime(1990, 1, 2, 15, tzinfo=UTC), False, id="before the calendar"),
    ],
)
def test_calendar_speaks_where_the_broker_is_silent(at: datetime, trades: bool) -> None:
    """The time is carried forward from when the clock was read; what the broker said then is long ago."""
    read_at = timezone.now() - SILENCE
    told = at + timedelta(seconds=1) - SILENCE
    make_agent(market_time=told, market_time_read_at=read_at, market_open=not trades)

    assert stocks_trade_now() is trades


@pytest.mark.django_db
@pytest.mark.parametrize(("at", "says"), [(OPEN, False), (CLOSE, True)])
def test_brokers_fresh_word_outweighs_the_calendar(at: datetime, says: bool) -> None:
    make_agent(market_time=at, market_time_read_at=timezone.now(), market_open=says)

    assert stocks_trade_now() is says


@pytest.mark.django_db
def test_clock_never_read_is_unknown() -> None:
    make_agent(market_time=None, market_time_read_at=None)

    assert stocks_trade_now() is None
