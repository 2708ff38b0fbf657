"""The log of every transition, written in the transition's transaction."""

from django.db import models
from django.db.models import Q
from uuid6 import uuid7


class Event(models.Model):
    """One transition; ``sequence`` counts from 1 per aggregate, ``cycle_id`` correlates."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    aggregate_type = models.CharField(max_length=20)
    aggregate_id = models.CharField(max_length=64)
    sequence = models.PositiveIntegerField()
    type = models.CharField(max_length=80)
    payload = models.JSONField(default=dict)
    cycle_id = models.UUIDField(null=True)
    occurred_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "events"
        constraints = [
            models.UniqueConstraint(
                name="one_event_per_sequence", fields=["aggregate_type", "aggregate_id", "sequence"]
            )
        ]
        indexes = [
            # Read by the operator's live lines and the events list, in order of time.
            models.Index(fields=["occurred_at", "id"], name="events_in_time"),
            models.Index(fields=["cycle_id", "occurred_at"], name="events_of_cycle"),
            # Read by the timeline: when a symbol's position was next found closed.
            models.Index(
                fields=["aggregate_id", "occurred_at"],
                name="events_position_closed",
                condition=Q(type="position.closed"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} #{self.sequence}"
