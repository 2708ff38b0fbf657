"""Number the time slots of the schedule: a slot has one cycle, however many beat processes run."""

from datetime import datetime


def slot_of(moment: datetime, interval_seconds: int) -> int:
    """Return the slot's start in unix seconds: ``floor(epoch / interval) * interval``."""
    if interval_seconds <= 0:
        raise ValueError(f"interval_seconds must be positive, was {interval_seconds}")
    return int(moment.timestamp()) // interval_seconds * interval_seconds
