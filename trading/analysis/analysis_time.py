"""How long an analysis may take: its own time, within its cycle's, and its task's limits around both."""

from dataclasses import dataclass
from datetime import datetime

from trading.core import settings
from trading.models import Cycle

STORE_SECONDS = 5.0  # what is kept of the task's time for the decisions to be stored in
END_SECONDS = 10.0  # from the task's soft limit to the hard one
LEAST_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """A task's limits in seconds: at ``soft`` it is told to end, at ``hard`` it is ended."""

    soft: float
    hard: float


def time_limits() -> TimeLimits:
    """Return the limits of an analysis that is asked for now."""
    soft = settings.seconds("analysis_timeout") + STORE_SECONDS
    return TimeLimits(soft, soft + END_SECONDS)


def seconds_for(cycle: Cycle, now: datetime, soft_limit: float | None) -> float:
    """Return for how long the models of a cycle may be asked: what the setting says, if there is so much time.

    Args:
        soft_limit: of the task that asks, which may have been sent before the setting was changed; None: there is none.
    """
    until_deadline = (cycle.deadline_at - now).total_seconds()
    limits = [until_deadline] if soft_limit is None else [until_deadline, soft_limit]
    most = min(limits) - STORE_SECONDS
    return max(min(settings.seconds("analysis_timeout"), most), LEAST_SECONDS)
