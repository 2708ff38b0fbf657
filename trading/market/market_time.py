"""Market time as last read from the broker's clock, carried forward at the rate at which that runs.

A replay's time runs at its own speed, and stands still while it is paused; the real market's runs as the world's does.

Where the broker has not said for long whether stocks trade, the exchange's calendar does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from trading.domain.ages import is_fresh_age
from trading.market.exchange_calendar import is_session
from trading.models import AgentStatus

CLOCK_MAX_AGE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Reading:
    """The broker's clock as last read; ``now`` is carried forward over ``age``, the wall time since then.

    ``rate`` is how many seconds of market time pass in a second. An age below zero tells that a clock has stepped back
    since: the reading is not fresh, and stands as it was.
    """

    now: datetime
    age: timedelta
    rate: float
    market_open: bool

    @property
    def is_fresh(self) -> bool:
        """Whether it may say how old a price is."""
        return is_fresh_age(self.age, CLOCK_MAX_AGE)


def fresh_reading(agent: AgentStatus | None = None) -> Reading | None:
    """Return market time now and its rate; None when the clock was never read or not for five minutes.

    Args:
        agent: its row where the caller has just read it.
    """
    reading = latest_reading(agent)
    return reading if reading is not None and reading.is_fresh else None


def market_now(agent: AgentStatus | None = None) -> datetime | None:
    """Return market time now; None when the clock was never read or not for five minutes.

    Args:
        agent: its row where the caller has just read it.
    """
    reading = fresh_reading(agent)
    return reading.now if reading is not None else None


def stocks_trade_now(agent: AgentStatus | None = None) -> bool | None:
    """Return whether US stocks trade; None when the broker's clock was never read.

    The broker's word of the last five minutes, else the exchange's calendar at the market time carried forward.

    Args:
        agent: its row where the caller has just read it.
    """
    reading = latest_reading(agent)
    if reading is None:
        return None
    return reading.market_open if reading.is_fresh else is_session(reading.now)


def latest_market_time() -> datetime | None:
    """Return market time as last read, carried forward however long ago that was.

    For look-back windows of a day, where an old reading is better than none; prices are judged by
    ``market_now``. None: the clock was never read.
    """
    reading = latest_reading()
    return reading.now if reading is not None else None


def latest_reading(agent: AgentStatus | None = None) -> Reading | None:
    """Return the broker's clock as last read, however long ago that was; None: it was never read.

    Args:
        agent: its row where the caller has just read it.
    """
    agent = agent or AgentStatus.objects.filter(pk=1).first()
    if agent is None or agent.market_time is None or agent.market_time_read_at is None:
        return None
    age = timezone.now() - agent.market_time_read_at
    rate = float(agent.market_rate)
    now = agent.market_time + _market_time_passed(age, rate)
    return Reading(now, age, rate, agent.market_open)


def _market_time_passed(age: timedelta, rate: float) -> timedelta:
    """Return how much market time passed in ``age``.

    For longer than a reading is fresh nobody knows how a replay went on: from then on, at most as fast as the world.
    """
    age = max(age, timedelta(0))
    fresh = min(age, CLOCK_MAX_AGE)
    return fresh * rate + (age - fresh) * min(rate, 1.0)
