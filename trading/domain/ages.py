"""Ages and waits by stored times, where a clock may have stepped since they were stored.

A time from the future is no proof of anything: a figure that carries one is not fresh, and a wait that
would last much longer than any wait we ever ask for is over.

``TOLERANCE`` is what the clocks of two machines in step may differ by, and how far a figure may lie in the
future. ``SLACK`` is more, because there the other mistake is the worse one: a lease that a machine with a
clock some seconds ahead has just given is in force.
"""

from datetime import datetime, timedelta

TOLERANCE = timedelta(seconds=2)
SLACK = timedelta(seconds=30)


def is_fresh(moment: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Return whether what was read at ``moment`` is at most ``longest`` old, inclusive, and not from the future."""
    return moment is not None and is_fresh_age(now - moment, longest)


def is_fresh_age(age: timedelta, longest: timedelta) -> bool:
    """Return whether an age is at most ``longest``, inclusive, and not below zero by more than ``TOLERANCE``."""
    return -TOLERANCE <= age <= longest


def in_force(until: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Return whether a lease, a pause or a deadline that ends at ``until`` still holds.

    One that has more left than was ever given (by more than ``SLACK``) was given before a clock stepped back: it
    holds no more, for else it would hold for as long as the step was large. Whoever held it finds that out as
    after any other lease that ran out.

    Args:
        until: its end, exclusive; None: there is none.
        longest: the longest that is ever given from now.
    """
    return until is not None and now < until <= now + longest + SLACK


def is_to_come(moment: datetime | None, now: datetime) -> bool:
    """Return whether what is said to have happened lies so far ahead that a clock has stepped back since."""
    return moment is not None and moment > now + SLACK
