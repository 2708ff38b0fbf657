"""What the model decided for a symbol, and what became of it."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from uuid6 import uuid7

from ai.domain.text import LONGEST_MODEL_NAME
from ai.models import ModelCall
from risk.models import RiskCheck
from trading.domain.stage_keys import EXIT_OPEN, UNJUDGED
from trading.domain.statuses import UNSETTLED_DECISION, DecisionStatus
from trading.domain.universe import HIGH_CONFIDENCE
from trading.models.cycle import Cycle
from trading.models.market import Strategy
from trading.models.record import DecisionRecord
from trading.models.shared.id_ends import index_of_ends


class DecisionQuerySet(models.QuerySet["AIDecision"]):
    def unsettled(self) -> "DecisionQuerySet":
        """Return the decisions whose outcome is still open."""
        return self.filter(status__in=UNSETTLED_DECISION)

    def approved_pending(self) -> "DecisionQuerySet":
        """Return the decisions a person approved and nobody has executed yet."""
        return self.filter(status=DecisionStatus.PENDING, approved=True)


class AIDecision(models.Model):
    """One decision; ``reason`` says in a stable word why it did not trade, ``reason_detail`` in a sentence.

    ``price`` is what the decision saw, ``price_warning`` what was doubtful about it, ``record`` all that it saw,
    with the strategy in the version it names; the database refuses to change what was decided once there is a
    record. ``as_of`` is the market time it was asked at. From ``stop_percent`` on an entry says where its position is
    to be sold, as the strategy's bounds let it stand (null, "": it does not); ``proposal_note`` what of its words was
    dropped or bounded. ``against_thesis``: a sale before its thesis's horizon, with stop and target
    untouched. ``samples`` has every answer where several were asked for, with the call it came of, and the share that
    agrees (null: one was). ``lease_until`` guards a claim. ``stages`` is how far it is, in the word of
    domain/stage_keys.py, which queries/stage_words.py keeps.
    """

    class Action(models.TextChoices):
        BUY = "buy"
        SELL = "sell"
        HOLD = "hold"

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(
        primary_key=True, default=uuid7, editable=False
    )
    # Their indexes are one_decision_per_symbol and decisions_by_strategy.
    cycle = models.ForeignKey(Cycle, on_delete=models.PROTECT, related_name="decisions", db_index=False)
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="decisions", db_index=False)
    strategy_version = models.PositiveIntegerField(null=True)
    record = models.ForeignKey(DecisionRecord, null=True, on_delete=models.PROTECT, related_name="decisions")
    symbol = models.CharField(max_length=32)
    action = models.CharField(max_length=4, choices=Action.choices)
    confidence = models.DecimalField(max_digits=5, decimal_places=4)
    reasoning = models.TextField(blank=True)
    model = models.CharField(max_length=LONGEST_MODEL_NAME, blank=True)
    model_call = models.ForeignKey(
        ModelCall, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    risk_check = models.ForeignKey(RiskCheck, null=True, on_delete=models.PROTECT, related_name="+")
    price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    price_warning = models.CharField(max_length=200, blank=True)
    as_of = models.DateTimeField(null=True, editable=False)
    stop_percent = models.DecimalField(max_digits=7, decimal_places=4, null=True)
    target_percent = models.DecimalField(max_digits=7, decimal_places=4, null=True)
    horizon_sessions = models.PositiveSmallIntegerField(null=True)
    invalidation = models.CharField(max_length=300, blank=True, default="", db_default="")
    proposal_note = models.CharField(max_length=500, blank=True, default="", db_default="")
    against_thesis = models.BooleanField(default=False, db_default=False)
    samples = models.JSONField(null=True, editable=False)
    status = models.CharField(
        max_length=20, choices=[(s.value, s.value) for s in DecisionStatus], default=DecisionStatus.PENDING
    )
    stages = models.CharField(max_length=7, default=UNJUDGED, editable=False)
    reason = models.CharField(max_length=40, blank=True)
    reason_detail = models.CharField(max_length=500, blank=True)
    approved = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    settled_at = models.DateTimeField(null=True)

    objects = DecisionQuerySet.as_manager()

    class Meta:
        verbose_name = "decision"
        db_table = "ai_decisions"
        constraints = [
            models.UniqueConstraint(name="one_decision_per_symbol", fields=["cycle", "strategy", "symbol"]),
            models.CheckConstraint(
                name="confidence_in_bounds", condition=Q(confidence__gte=0, confidence__lte=1)
            ),
            # Every skip has a reason.
            models.CheckConstraint(
                name="untraded_decision_says_why",
                condition=~Q(
                    status__in=["skipped", "stored", "denied", "rejected", "expired", "failed", "held"]
                )
                | ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="decision_exit_in_bounds",
                condition=(Q(stop_percent__isnull=True) | Q(stop_percent__gt=0, stop_percent__lt=100))
                & (Q(target_percent__isnull=True) | Q(target_percent__gt=0, target_percent__lt=100)),
            ),
            models.CheckConstraint(
                name="hold_never_trades",
                condition=~Q(action="hold") | Q(status__in=["held", "skipped"]),
            ),
        ]
        indexes = [
            index_of_ends("decisions_id_ends"),
            # Read by finish_cycle and the sweeper: what is unsettled, by cycle.
            models.Index(
                fields=["cycle"],
                name="decisions_unsettled",
                condition=Q(status__in=[s.value for s in UNSETTLED_DECISION]),
            ),
            # Read by the enriched decisions and the console: pages newest first, and spans of time.
            models.Index(fields=["-created_at", "-id"], name="decisions_recent"),
            # Read by the same, filtered: the rarest value's page costs no more than the newest.
            models.Index(fields=["symbol", "-created_at", "-id"], name="decisions_by_symbol"),
            models.Index(fields=["action", "-created_at", "-id"], name="decisions_by_action"),
            models.Index(fields=["strategy", "-created_at", "-id"], name="decisions_by_strategy"),
            models.Index(fields=["stages", "-created_at", "-id"], name="decisions_by_stages"),
            models.Index(
                fields=["reason", "-created_at", "-id"], name="decisions_by_reason", condition=~Q(reason="")
            ),
            # Read by the report of performance: what each strategy's calls cost; and by the key's check where a call
            # is deleted. Without more columns: a call's decisions are one entry.
            models.Index(fields=["model_call", "strategy"], name="decisions_by_call"),
            # Read by the console, filtered by status.
            models.Index(fields=["status", "-created_at", "-id"], name="decisions_by_status"),
            # Read by queries/stage_words.py: whose exit a sale or a sync may settle.
            models.Index(fields=["symbol"], name="decisions_exit_open", condition=Q(stages__in=EXIT_OPEN)),
            # Read by the universe: what wanted to trade with high confidence.
            models.Index(
                fields=["cycle", "symbol"],
                name="decisions_confident",
                condition=Q(confidence__gt=HIGH_CONFIDENCE, action__in=["buy", "sell"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.symbol} ({self.status})".replace("_", " ")


class StageChange(models.Model):
    """A note that facts of a decision, or of a symbol's positions, have changed since the stored word was computed.

    Written by triggers of the tables that the timeline is read from, so that no writer has to remember it, and
    deleted by queries/stage_words.py. Of ``decision_id`` (no foreign key: a decision may be forgotten first) and
    ``symbol`` one is given.
    """

    id = models.BigAutoField(primary_key=True)
    decision_id = models.UUIDField(null=True)
    symbol = models.CharField(max_length=32, default="", db_default="")

    class Meta:
        db_table = "stage_changes"

    def __str__(self) -> str:
        return self.symbol or str(self.decision_id)
