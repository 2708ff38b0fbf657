"""The log of every transition, written in the transition's transaction; what others may see of it is the outbox."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, Q, Value
from uuid6 import uuid7

POSITIONS = "events_position"


if TYPE_CHECKING:
    IntegerColumn = models.Field[int | None, int | None]
else:
    IntegerColumn = models.Field


class TransactionIdField(IntegerColumn):
    """The id of a transaction, as PostgreSQL counts them for ever (``xid8``), as an int.

    It means something within one cluster of PostgreSQL only: see ``outbox.forget_foreign_numbers``.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the column's type."""
        return "xid8"

    def from_db_value(self, value: str | None, *_: Any) -> int | None:
        """Return what psycopg2 brings as text as a number."""
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return the number as text, for the server knows no way from an integer to ``xid8``."""
        return str(value) if isinstance(value, int) else value


def this_transaction() -> Func:
    """Return the expression of the id of the transaction under way, which gets one by it."""
    return Func(function="pg_current_xact_id", output_field=TransactionIdField())


class EventQuerySet(models.QuerySet["Event"]):
    def unpublished(self) -> "EventQuerySet":
        """Return the outbox."""
        return self.filter(public_sequence__isnull=False, published_at__isnull=True)


# What a person who comes back wants to know, trades apart.
NEWS_TYPES = [
    "agent.entries_paused",
    "agent.entries_resumed",
    "agent.mode_set",
    "agent.trading_state_set",
    "books.differ",
    "clock.stepped",
    "cycle.fail",
    "disk.low",
    "kill_switch.engaged",
    "kill_switch.released",
    "kill_switch.sender_fenced",
    "lock.stuck",
    "order.reject",
    "saga.fail",
    "schedule.disabled",
    "schedule.enabled",
    "setting.changed",
    "strategy.changed",
    "strategy.created",
    "symbol_lock.locked",
    "symbol_lock.unlocked",
    "sync.overdue",
]
NEWS = Q(type__in=NEWS_TYPES)


class Event(models.Model):
    """One transition; ``sequence`` counts from 1 per aggregate, ``cycle_id`` correlates.

    ``public_sequence`` counts those of the aggregate that are published, null: it stays inside.
    ``published_at`` is null until the relay has the transport's word for it. ``causation_id`` names the event or
    message that caused it. ``position`` is drawn by the database while the aggregate's lock is held, so its order is
    right within an aggregate, whatever clocks and ids say; it is no cursor, for transactions commit in another order.
    ``transaction_id`` and ``position`` together are one: the id is the writing transaction's, or, where that is higher,
    the one that the event before it in its aggregate has. Null: it was written before there was this column, or in
    another cluster of PostgreSQL; such events come before all others.
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

    transaction_id = TransactionIdField(null=True, db_default=this_transaction(), editable=False)

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
            # Read by the dashboard: what happened since somebody last looked.
            models.Index(fields=["-occurred_at"], name="events_news", condition=NEWS),
            # Read by the event stream.
            models.Index(fields=["transaction_id", "position"], name="events_by_transaction"),
            # Read by the relay: the outbox. Empty while it keeps up.
            models.Index(
                fields=["position"],
                name="events_unpublished",
                condition=Q(public_sequence__isnull=False, published_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} #{self.sequence}"
