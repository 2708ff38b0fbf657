"""Query conditions on stored times (over, past, to come) that stay right after a clock was set back."""

from datetime import datetime, timedelta

from django.db.models import Q

from trading.domain.ages import SLACK


def is_over(column: str, now: datetime, longest: timedelta) -> Q:
    """Match where a wait until ``column`` is over, or was set before a clock stepped back; never where it is null.

    Args:
        longest: the longest wait that is ever set from now.
    """
    return Q(**{f"{column}__lte": now}) | Q(**{f"{column}__gt": now + longest + SLACK})


def is_past(column: str, now: datetime, age: timedelta) -> Q:
    """Match what happened longer ago than ``age``, or so far ahead that a clock stepped back since."""
    return Q(**{f"{column}__lt": now - age}) | is_to_come(column, now)


def is_to_come(column: str, now: datetime) -> Q:
    """Match what happened, by its time, so far ahead that a clock has stepped back since."""
    return Q(**{f"{column}__gt": now + SLACK})
