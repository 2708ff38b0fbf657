"""The record of every model call."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import uuid6
from django.db import models
from django.db.models import Q


class ModelCallQuerySet(models.QuerySet["ModelCall"]):
    """Phrases about model calls."""

    def cost_since(self, moment: datetime) -> Decimal:
        """Return what the calls since ``moment`` cost in USD; calls of unknown price count nothing."""
        return self.filter(created_at__gte=moment)._cost()

    def cost_of_cycle(self, cycle_id: UUID) -> Decimal:
        """Return what the calls of a cycle cost in USD; calls of unknown price count nothing."""
        return self.filter(cycle_id=cycle_id)._cost()

    def _cost(self) -> Decimal:
        total: Decimal | None = self.aggregate(total=models.Sum("cost_usd"))["total"]
        return Decimal(0) if total is None else total


class ModelCall(models.Model):
    """One question put to one model, with what came back; written once, when the call has ended.

    ``prompt`` and ``answer`` are stored as they were, save what PostgreSQL cannot hold and what exceeds 64 KB
    of an answer. ``cost_usd`` is null where the model's price is not known.
    """

    class Status(models.TextChoices):
        """How the call ended; ``invalid``: it was answered, but with nothing that can be used."""

        SUCCEEDED = "succeeded"
        FAILED = "failed"
        INVALID = "invalid"
        TIMEOUT = "timeout"

    id = models.UUIDField(primary_key=True, default=uuid6.uuid7, editable=False)
    cycle_id = models.UUIDField(null=True, blank=True)
    model = models.CharField(max_length=200)
    provider = models.CharField(max_length=100)
    prompt_version = models.CharField(max_length=40)
    prompt_hash = models.CharField(max_length=64, help_text="SHA-256 of the messages, in hex.")
    prompt = models.JSONField(help_text="The chat messages.")
    symbols = models.JSONField(help_text="The symbols that were asked.")
    answer = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status.choices)
    error_type = models.CharField(max_length=100, blank=True)
    error_message = models.TextField(blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    latency_ms = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ModelCallQuerySet.as_manager()

    class Meta:
        db_table = "model_calls"
        ordering = ("-created_at",)
        indexes = [
            # Read by the console's page of a cycle and by the timeline of a decision.
            models.Index(fields=["cycle_id"], name="model_calls_cycle"),
            # Read by the budget of the day (cost_since), the console's list and the pruning of old rows.
            models.Index(fields=["created_at"], name="model_calls_created"),
        ]
        constraints = [
            models.CheckConstraint(
                name="model_calls_status_known",
                condition=Q(status__in=["succeeded", "failed", "invalid", "timeout"]),
            ),
            models.CheckConstraint(
                name="model_calls_failure_says_why",
                condition=Q(status="succeeded", error_type="") | (~Q(status="succeeded") & ~Q(error_type="")),
            ),
            models.CheckConstraint(
                name="model_calls_cost_not_negative", condition=Q(cost_usd__isnull=True) | Q(cost_usd__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.status} {self.created_at:%Y-%m-%d %H:%M:%S}"
