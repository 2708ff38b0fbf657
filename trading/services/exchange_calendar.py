"""When US stocks trade, by the calendar of the New York Stock Exchange."""

from datetime import datetime
from functools import lru_cache
from typing import Any

EXCHANGE = "XNYS"  # its market identifier code (ISO 10383)


def is_session(at: datetime) -> bool:
    """Return whether ``at`` (aware) lies in a regular session; holidays and early closes are known.

    Good for 20 years back and one ahead; a time outside is no session.
    """
    from exchange_calendars.errors import MinuteOutOfBounds
    from pandas import Timestamp

    try:
        return bool(_calendar().is_open_at_time(Timestamp(at), side="left"))
    except MinuteOutOfBounds:
        return False


@lru_cache(maxsize=1)
def _calendar() -> Any:
    """Made when it is first asked for: a second that no process pays while the broker's clock answers."""
    from exchange_calendars import get_calendar

    return get_calendar(EXCHANGE)
