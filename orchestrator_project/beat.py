"""The scheduler beat runs: the library's, made to survive a clock that steps back.

The library waits until a wall time, its last run plus the interval: after a step back of two hours it would start
nothing for two hours. Here no wait is longer than the interval that asked for it.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from celery.schedules import schedstate
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from trading.domain.ages import TOLERANCE

log = structlog.get_logger(__name__)


class SteadyEntry(ModelEntry):  # type: ignore[misc]  # untyped library
    """An entry whose last run, where it lies in the future, was at most just now."""

    last_run_at: datetime
    model: PeriodicTask

    def is_due(self) -> schedstate:
        """Answer as the library does, by a last run that is not to come."""
        now = timezone.now()
        if self.last_run_at > now + TOLERANCE:
            log.warning("beat_last_run_to_come", task=self.name, last_run_at=self.last_run_at.isoformat())
            self.last_run_at = self.model.last_run_at = now
        due: schedstate = super().is_due()
        return due


class SteadyScheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped library
    """Plans anew where an entry would wait longer than its interval."""

    Entry = SteadyEntry
    _heap: Any

    def tick(self, *args: Any, **options: Any) -> float:
        """Run what is due, one task a call; return for how many seconds nothing is."""
        if self._heap and any(self._waits_too_long(event) for event in self._heap):
            log.warning("beat_plans_anew", reason="a clock stepped back")
            self._heap = None  # the library fills it again by what is due now
        seconds: float = super().tick(*args, **options)
        return seconds

    def _waits_too_long(self, event: Any) -> bool:
        at, _, entry = event
        longest: timedelta | None = getattr(entry.schedule, "run_every", None)
        if longest is None:
            return False  # a crontab names times of the day: it follows the clock, wherever that goes
        return bool(at - self._when(entry, 0) > (longest + TOLERANCE).total_seconds())
