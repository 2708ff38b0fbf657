"""Whether trading cycles start by themselves: what beat will do with its rows."""

import json
from collections.abc import Iterator

from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from trading.core.settings import CYCLE_SCHEDULE
from trading.models import Cycle

START_TASK = "trading.start_cycle"


def why_no_cycle_starts() -> str | None:
    """Return why no trading cycle starts by itself, None where one does.

    A row by another name that starts trading cycles counts as well: what matters is that the account is synced
    and its positions are looked at.
    """
    if any(_why_not(row) is None for row in PeriodicTask.objects.filter(task=START_TASK, enabled=True)):
        return None
    row = PeriodicTask.objects.filter(name=CYCLE_SCHEDULE).first()
    if row is None:
        return f"the schedule {CYCLE_SCHEDULE!r} is missing"
    return f"{_why_not(row)}: {CYCLE_SCHEDULE}"


def stops_by(row: PeriodicTask) -> str | None:
    """Return why a row would start no trading cycle, or no second one; None where it starts them on and on."""
    return _why_not(row) or ("to run once only" if row.one_off else None)


def _why_not(row: PeriodicTask) -> str | None:
    return next(_reasons(row), None)


def _reasons(row: PeriodicTask) -> Iterator[str]:
    now = timezone.now()
    if not row.enabled:
        yield "disabled"
    if row.task != START_TASK:
        yield f"set to another task ({row.task})"
    if row.scheduler is None:
        yield "without an interval"
    if row.start_time is not None and row.start_time > now:
        yield f"not to start before {row.start_time:%Y-%m-%d %H:%M} UTC"
    if row.expires is not None and row.expires <= now:
        yield "past its expiry"
    if _cycle_type(row) == Cycle.Type.MAINTENANCE:
        yield "set to maintenance cycles"


def _cycle_type(row: PeriodicTask) -> str:
    try:
        kwargs, args = json.loads(row.kwargs or "{}"), json.loads(row.args or "[]")
        return str(kwargs.get("cycle_type") or (args[0] if args else Cycle.Type.ANALYSIS))
    except (ValueError, AttributeError, IndexError, KeyError):
        return ""
