"""What consumers of events remember: what was handled, what could not be taken."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from uuid6 import uuid7

from trading.models.decision import AIDecision
from trading.models.market import Strategy

CONSUMER_LENGTH, SOURCE_LENGTH, ID_LENGTH = 40, 200, 200


class HandledEvent(models.Model):
    """An event a consumer is done with, written with its effect: a repeat finds this row and does nothing."""

    class Outcome(models.TextChoices):
        HANDLED = "handled"
        PARKED = "parked"

    id = models.BigAutoField(primary_key=True)
    consumer = models.CharField(max_length=CONSUMER_LENGTH)
    source = models.CharField(max_length=SOURCE_LENGTH)
    event_id = models.CharField(max_length=ID_LENGTH)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.HANDLED)
    handled_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "handled_events"
        constraints = [
            models.UniqueConstraint(name="one_effect_per_event", fields=["consumer", "source", "event_id"])
        ]
        # Read by maintenance, which forgets what is too old to come again.
        indexes = [models.Index(fields=["handled_at"], name="handled_events_in_time")]

    def __str__(self) -> str:
        return f"{self.consumer}: {self.event_id} {self.outcome}"


class ParkedEvent(models.Model):
    """A message that could not be taken, as it came, with what was wrong; a person may try it again."""

    class Status(models.TextChoices):
        PARKED = "parked"
        HANDLED = "handled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    consumer = models.CharField(max_length=CONSUMER_LENGTH)
    source = models.CharField(max_length=SOURCE_LENGTH, blank=True)
    event_id = models.CharField(max_length=ID_LENGTH)
    type = models.CharField(max_length=80, blank=True)
    body = models.TextField()
    error = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PARKED)
    parked_at = models.DateTimeField(auto_now_add=True)
    replays = models.PositiveIntegerField(default=0)
    replayed_at = models.DateTimeField(null=True)
    replayed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        db_table = "parked_events"
        constraints = [
            models.UniqueConstraint(
                name="one_parked_row_per_event", fields=["consumer", "source", "event_id"]
            )
        ]
        permissions = [("replay_parkedevent", "Can replay parked events")]
        # Read by the console's list and by doctor: what waits for a person.
        indexes = [
            models.Index(fields=["-parked_at"], name="parked_events_open", condition=Q(status="parked"))
        ]

    def __str__(self) -> str:
        return f"{self.type or 'unreadable'} {self.event_id}"


class TradeProposal(models.Model):
    """A trade another service or a person proposed; taken up as a decision of an execution cycle, or not, and then why.

    ``source`` is the event's, or "person" and the name.
    """

    class Status(models.TextChoices):
        WAITING = "waiting"
        TAKEN = "taken"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.CharField(max_length=SOURCE_LENGTH)
    event_id = models.CharField(max_length=ID_LENGTH)
    symbol = models.CharField(max_length=32)
    action = models.CharField(max_length=4, choices=AIDecision.Action.choices)
    confidence = models.DecimalField(max_digits=5, decimal_places=4)
    reasoning = models.TextField()
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    reason = models.CharField(max_length=200, blank=True)
    decision = models.OneToOneField(AIDecision, null=True, on_delete=models.PROTECT, related_name="proposal")
    proposed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "proposal"
        verbose_name_plural = "proposals"
        db_table = "trade_proposals"
        permissions = [("propose_trade", "Can propose trades")]
        constraints = [
            models.UniqueConstraint(name="one_proposal_per_event", fields=["source", "event_id"]),
            models.CheckConstraint(
                name="taken_proposal_has_decision",
                condition=Q(status="taken", decision__isnull=False)
                | (~Q(status="taken") & Q(decision__isnull=True)),
            ),
            models.CheckConstraint(
                name="expired_proposal_says_why", condition=~Q(status="expired") | ~Q(reason="")
            ),
        ]
        # Read by the consumer, every second.
        indexes = [
            models.Index(fields=["received_at"], name="proposals_waiting", condition=Q(status="waiting"))
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.symbol} ({self.status})"
