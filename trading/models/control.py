"""What the operator steers by: the agent's status, settings and approvals."""

from datetime import datetime
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from uuid6 import uuid7

from trading.domain.ages import SLACK
from trading.models.decision import AIDecision
from trading.models.shared.id_ends import index_of_ends


class Mode(models.TextChoices):
    AUTONOMOUS = "autonomous"
    SEMI_AUTO = "semi_auto"
    MANUAL = "manual"


class TradingStateChoice(models.TextChoices):
    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class AgentStatus(models.Model):
    """The one row that tells at a glance what the agent does.

    ``account_id`` is the broker account this database belongs to; ``world`` names where its prices come
    from; ``instance_id`` names this installation in the events it publishes. ``failed_analyses`` counts
    those in a row that no model answered. ``market_rate`` is how many seconds of market time pass in a second
    since it was read: 1, a replay's speed, or 0 where that stands still. ``positions_sequence`` is the place of the
    stored position sync in the order of syncs, which decides; ``positions_as_of`` is when it was asked for (wall
    time), which is shown. ``entries_paused_at`` is when a person paused entries (wall time); null: nobody has.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    instance_id = models.UUIDField(default=uuid4, editable=False)
    is_running = models.BooleanField(default=False)
    last_cycle_time = models.DateTimeField(null=True)
    current_cycle_id = models.UUIDField(null=True)
    position_count = models.PositiveIntegerField(default=0)
    daily_pnl = models.DecimalField(max_digits=20, decimal_places=4, null=True)
    mode = models.CharField(max_length=12, choices=Mode.choices, default=Mode.MANUAL)
    trading_state = models.CharField(
        max_length=10, choices=TradingStateChoice.choices, default=TradingStateChoice.ACTIVE
    )
    failed_analyses = models.PositiveIntegerField(default=0)
    account_id = models.CharField(max_length=64, blank=True)
    world = models.CharField(max_length=200, blank=True)
    market_time = models.DateTimeField(null=True)
    market_time_read_at = models.DateTimeField(null=True)
    market_rate = models.DecimalField(max_digits=12, decimal_places=6, default=1)
    market_open = models.BooleanField(default=False)
    positions_as_of = models.DateTimeField(null=True)
    positions_sequence = models.BigIntegerField(default=0)
    entries_paused_at = models.DateTimeField(null=True)
    entries_paused_by = models.CharField(max_length=150, blank=True, default="", db_default="")
    entries_pause_reason = models.CharField(max_length=500, blank=True, default="", db_default="")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "agent_status"
        verbose_name_plural = "agent status"
        constraints = [models.CheckConstraint(name="one_agent_status", condition=Q(id=1))]
        permissions = [("set_mode", "Can set the trading mode")]

    def __str__(self) -> str:
        return f"{self.mode}, {self.trading_state}".replace("_", " ")


class RuntimeSetting(models.Model):
    """One setting an operator may change while the system runs; specs in domain/runtime_settings.py."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.CharField(max_length=40)
    unit = models.CharField(max_length=12, editable=False)
    description = models.CharField(max_length=200, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        verbose_name = "setting"
        db_table = "runtime_settings"
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


class Heartbeat(models.Model):
    """When a long-running process last said that it is alive."""

    process = models.CharField(max_length=40, primary_key=True)
    beaten_at = models.DateTimeField()
    detail = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "sign of life"
        verbose_name_plural = "signs of life"
        db_table = "heartbeats"

    def __str__(self) -> str:
        return self.process


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def waiting(self, now: datetime) -> "ApprovalQuerySet":
        """Return the requests that a person may still answer."""
        return self.filter(status="requested", expires_at__gt=now, requested_at__lte=now + SLACK)

    def overdue(self, now: datetime) -> "ApprovalQuerySet":
        """Return those nobody answered in time; after a clock stepped back, that cannot be told: overdue, too."""
        late = Q(expires_at__lte=now) | Q(requested_at__gt=now + SLACK)
        return self.filter(late, status="requested")


class Approval(models.Model):
    """A decision put before a person; answered at most once.

    ``answered_at`` is wall time; ``answered_market_time`` market time, null where that was not known. ``held_until`` is
    wall time: who rejected it wants the same not asked again before; null: for as long as the setting says.
    """

    class Status(models.TextChoices):
        REQUESTED = "requested"
        GRANTED = "granted"
        REJECTED = "rejected"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    decision = models.OneToOneField(AIDecision, on_delete=models.PROTECT, related_name="approval")
    cycle_id = models.UUIDField(db_index=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.REQUESTED)
    requested_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    answered_market_time = models.DateTimeField(null=True, editable=False)
    held_until = models.DateTimeField(null=True, editable=False)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.CharField(max_length=500, blank=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        db_table = "approvals"
        permissions = [("answer_approval", "Can approve or reject decisions")]
        # Read by the sweeper, which expires what nobody answered.
        indexes = [
            index_of_ends("approvals_id_ends"),
            models.Index(fields=["expires_at"], name="approvals_open", condition=Q(status="requested")),
        ]

    def __str__(self) -> str:
        return f"{self.decision.action} {self.decision.symbol}: {self.status}"
