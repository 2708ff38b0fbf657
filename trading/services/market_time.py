"""Market time as last read from the broker's clock, carried forward by wall time.

Where the broker has not said for long whether stocks trade, the exchange's calendar does.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from trading.models import AgentStatus
from trading.services.exchange_calendar import is_session

CLOCK_MAX_AGE = timedelta(minutes=5)


def market_now() -> datetime | None:
    """Return market time now; None when the clock was never read or not for five minutes."""
    agent = AgentStatus.objects.filter(pk=1).first()
    if agent is None or agent.market_time is None or agent.market_time_read_at is None:
        return None
    elapsed = timezone.now() - agent.market_time_read_at
    return agent.market_time + elapsed if elapsed <= CLOCK_MAX_AGE else None


def stocks_trade_now() -> bool | None:
    """Return whether US stocks trade; None when the broker's clock was never read.

    The broker's word of the last five minutes, else the exchange's calendar at the market time carried forward.
    """
    agent = AgentStatus.objects.filter(pk=1).first()
    at = latest_market_time()
    if agent is None or at is None:
        return None
    return agent.market_open if market_now() is not None else is_session(at)


def latest_market_time() -> datetime | None:
    """Return market time as last read, carried forward by wall time however long ago that was.

    For look-back windows of a day, where an old reading is better than none; prices are judged by
    ``market_now``. None: the clock was never read.
    """
    agent = AgentStatus.objects.filter(pk=1).first()
    if agent is None or agent.market_time is None or agent.market_time_read_at is None:
        return None
    return agent.market_time + (timezone.now() - agent.market_time_read_at)
