"""Changes of the beat schedule by a person, each with its author in the log."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Model
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from trading.core import transitions

AGGREGATE = "schedule_row"


def switch(rows: Iterable[PeriodicTask], *, on: bool, actor: str) -> list[str]:
    """Enable or disable tasks of the schedule; return the names of those that changed."""
    with transaction.atomic():
        wanted = PeriodicTask.objects.select_for_update().filter(pk__in=[row.pk for row in rows])
        changed = list(wanted.exclude(enabled=on).order_by("pk"))
        for row in changed:
            row.enabled = on
            if not on:
                row.last_run_at = None  # enabled again, it is due from then on, not from its last run
            row.save()
            record(row, what="enabled" if on else "disabled", actor=actor)
        if changed:
            PeriodicTasks.update_changed()
    return [row.name for row in changed]


def record(row: Model, *, what: str, actor: str, **facts: str) -> None:
    """Write down that a person changed a row of the schedule; ``facts`` are what was given."""
    with transaction.atomic():
        # Two people at once: the second waits here. A row that is gone has nobody to wait for.
        list(type(row)._default_manager.select_for_update(of=("self",)).filter(pk=row.pk))
        transitions.append_event(
            aggregate_type=AGGREGATE,
            aggregate_id=f"{row._meta.model_name}-{row.pk}",
            event_type=f"schedule_row.{what}",
            payload={"name": str(row)[:200], "actor": actor, **facts},
            cycle_id=None,
        )
