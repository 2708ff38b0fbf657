"""Sagas: an order's way from the gate to the position, one row per step."""

import uuid

from django.db import models
from django.db.models import Q
from uuid6 import uuid7

from trading.domain.statuses import OPEN_SAGA, SagaStatus
from trading.models.decision import AIDecision
from trading.models.order import Order
from trading.models.shared.id_ends import index_of_ends


class SagaQuerySet(models.QuerySet["Saga"]):
    def open(self) -> "SagaQuerySet":
        """Return the sagas that have not ended."""
        return self.filter(status__in=OPEN_SAGA)


class Saga(models.Model):
    """The order saga of one decision; ``next_poll_at`` is when the sweeper next asks the broker."""

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(
        primary_key=True, default=uuid7, editable=False
    )
    decision = models.OneToOneField(AIDecision, on_delete=models.PROTECT, related_name="saga")
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="saga")
    cycle_id = models.UUIDField(db_index=True)
    status = models.CharField(
        max_length=12, choices=[(s.value, s.value) for s in SagaStatus], default=SagaStatus.RUNNING
    )
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    deadline_at = models.DateTimeField()
    next_poll_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = SagaQuerySet.as_manager()

    class Meta:
        db_table = "sagas"
        # Read by the sweeper.
        indexes = [
            index_of_ends("sagas_id_ends"),
            models.Index(
                fields=["next_poll_at"],
                name="sagas_open",
                condition=Q(status__in=[s.value for s in OPEN_SAGA]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order}: {self.status}"


class SagaStep(models.Model):
    """One step with its attempts, times, input and result."""

    class Name(models.TextChoices):
        VALIDATE_RISK = "validate-risk"
        SUBMIT_ORDER = "submit-order"
        CONFIRM_FILL = "confirm-fill"
        UPDATE_POSITION = "update-position"

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        SKIPPED = "skipped"
        COMPENSATED = "compensated"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Its index is one_row_per_step.
    saga = models.ForeignKey(Saga, on_delete=models.CASCADE, related_name="steps", db_index=False)
    name = models.CharField(max_length=20, choices=Name.choices)
    position = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    input = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "saga_steps"
        ordering = ["position"]
        constraints = [models.UniqueConstraint(name="one_row_per_step", fields=["saga", "name"])]

    def __str__(self) -> str:
        return f"{self.name} ({self.status})"
