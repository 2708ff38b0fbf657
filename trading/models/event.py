"""The log of every transition, written in the transition's transaction; what others may see of it is the outbox."""

from django.db import models
from django.db.models import Func, Q, Value
from uuid6 import uuid7

POSITIONS = "events_position"


class EventQuerySet(models.QuerySet["Event"]):
    def unpublished(self) -> "EventQuerySet":
        """Return the outbox."""
        return self.filter(public_sequence__isnull=False, published_at__isnull=True)


class Event(models.Model):
    """One transition; ``sequence`` counts from 1 per aggregate, ``cycle_id`` correlates.

    ``public_sequence`` counts those of the aggregate that are published, null: it stays inside.
    ``published_at`` is null until the relay has the transport's word for it. ``causation_id`` names the event or
    message that caused it. ``position`` is drawn by the database while the aggregate's lock is held, so its order is
    right within an aggregate, whatever clocks and ids say; it is no cursor, for transactions commit in another order.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    aggregate_type = models.CharField(max_length=20)
    aggregate_id = models.CharField(max_length=64)
    sequence = models.PositiveIntegerField()
    type = models.CharField(max_length=80)
    payload = models.JSONField(default=dict)
    cycle_id = models.UUIDField(null=True)
    causation_id = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField(auto_now_add=True)
    public_sequence = models.PositiveIntegerField(null=True)
    published_at = models.DateTimeField(null=True)
    position = models.BigIntegerField(db_default=Func(Value(POSITIONS), function="nextval"), editable=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        db_table = "events"
        constraints = [
            models.UniqueConstraint(
                name="one_event_per_sequence", fields=["aggregate_type", "aggregate_id", "sequence"]
            ),
            models.UniqueConstraint(
                name="one_event_per_public_sequence",
                fields=["aggregate_type", "aggregate_id", "public_sequence"],
                condition=Q(public_sequence__isnull=False),
            ),
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
            # Read by the relay: the outbox. Empty while it keeps up.
            models.Index(
                fields=["position"],
                name="events_unpublished",
                condition=Q(public_sequence__isnull=False, published_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} #{self.sequence}"
