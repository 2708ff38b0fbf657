"""What came of decisions, the daily prices that say so, and the reports made of it."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from uuid6 import uuid7

from ai.domain.text import LONGEST_MODEL_NAME
from evaluation.domain.figures import Window
from evaluation.domain.outcomes import LabelSpec
from evaluation.models.replays import EvaluationRecord

# Whose opinion on what, by which label.
WHOSE = (
    "session",
    "symbol",
    "strategy_id",
    "model",
    "answered_model",
    "prompt_version",
    "label_spec",
    "origin",
)


class DailyBar(models.Model):
    """A whole day of a symbol's trading as its source told it; told otherwise later, by a split or a correction, it
    is a higher ``revision``, and the highest is what is known now. ``source`` is whose prices these are.
    """

    id = models.BigAutoField(primary_key=True)
    symbol = models.CharField(max_length=32)
    day = models.DateField()
    revision = models.PositiveIntegerField(default=1)
    open = models.DecimalField(max_digits=24, decimal_places=12)
    high = models.DecimalField(max_digits=24, decimal_places=12)
    low = models.DecimalField(max_digits=24, decimal_places=12)
    close = models.DecimalField(max_digits=24, decimal_places=12)
    volume = models.DecimalField(max_digits=30, decimal_places=12)
    source = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "bars"
        constraints = [
            # Read by who labels outcomes: the newest revisions of some symbols over some days.
            models.UniqueConstraint(name="bar_revision_once", fields=["symbol", "day", "revision"]),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.day} ({self.revision})"


class Outcome(models.Model):
    """One opinion held against what came of it, by one label; made when it was decided, long before it is known.

    Whose: ``strategy_id``, ``model``, ``answered_model`` (as the provider names it), ``prompt_version``. Of a session,
    a symbol and an opinion's owner there are the first decision (``is_first``), and the first that wanted to trade
    where that is another. ``decision_id``, ``cycle_id`` and ``strategy_id`` are no foreign keys: trading forgets what
    led to no order. ``scene`` has the prices of the whole universe at that moment. ``verdict`` is the gate's.

    ``due_at`` and ``resolved_at`` are market time; ``reason`` says why there never will be an outcome. Returns and
    ``cost`` (of buying and selling again) are ratios.
    """

    class Origin(models.TextChoices):
        """Where it was decided: ``shadow`` by a strategy that never trades."""

        LIVE = "live"
        SHADOW = "shadow"

    class Verdict(models.TextChoices):
        PASSED = "passed"
        DENIED = "denied"
        UNJUDGED = "", "not judged"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.LIVE)
    decision_id = models.UUIDField()
    cycle_id = models.UUIDField()
    as_of = models.DateTimeField()
    session = models.DateField(help_text="That closes next after it was decided.")
    symbol = models.CharField(max_length=32)
    strategy_id = models.UUIDField()
    strategy_version = models.PositiveIntegerField(null=True)
    model = models.CharField(max_length=LONGEST_MODEL_NAME)
    answered_model = models.CharField(max_length=200, blank=True)
    prompt_version = models.CharField(max_length=40, blank=True)
    action = models.CharField(max_length=4)
    confidence = models.DecimalField(max_digits=5, decimal_places=4)
    price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    verdict = models.CharField(max_length=6, choices=Verdict.choices, blank=True)
    verdict_reason = models.CharField(max_length=40, blank=True)
    is_first = models.BooleanField()
    scene = models.ForeignKey(EvaluationRecord, on_delete=models.PROTECT, related_name="+", db_index=False)
    label_spec = models.CharField(max_length=20, choices=[(each.value, each.value) for each in LabelSpec])
    horizon = models.PositiveSmallIntegerField(help_text="Sessions.")
    cost = models.DecimalField(max_digits=8, decimal_places=6)
    due_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=20, blank=True)
    excess_return = models.DecimalField(max_digits=16, decimal_places=8, null=True)
    symbol_return = models.DecimalField(max_digits=16, decimal_places=8, null=True)
    universe_return = models.DecimalField(max_digits=16, decimal_places=8, null=True)
    right = models.BooleanField(null=True)
    missed = models.BooleanField(null=True)
    members = models.PositiveSmallIntegerField(null=True)
    window = models.CharField(max_length=10, choices=[(each.value, each.value) for each in Window])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "outcomes"
        constraints = [
            # Read by a decision's page, too.
            models.UniqueConstraint(
                name="one_outcome_per_label", fields=["decision_id", "label_spec", "origin"]
            ),
            # A look each minute is one opinion. Read by who makes the rows: what a session has already.
            models.UniqueConstraint(
                name="one_first_opinion_a_session",
                fields=WHOSE,
                condition=Q(is_first=True),
            ),
            models.UniqueConstraint(
                name="one_wish_to_trade_a_session",
                fields=WHOSE,
                condition=~Q(action="hold"),
            ),
            models.CheckConstraint(
                name="resolved_outcome_is_whole",
                condition=Q(resolved_at__isnull=True, excess_return__isnull=True, reason="")
                | Q(resolved_at__isnull=False, excess_return__isnull=True) & ~Q(reason="")
                | Q(resolved_at__isnull=False, reason="", excess_return__isnull=False, members__isnull=False),
            ),
        ]
        indexes = [
            # Read by the evaluator, each few seconds: when the last was resolved.
            models.Index(
                fields=["resolved_at"], name="outcomes_done", condition=Q(resolved_at__isnull=False)
            ),
            # Read by the job: what is due.
            models.Index(fields=["due_at"], name="outcomes_open", condition=Q(resolved_at__isnull=True)),
            # Read by the calibration: of a model by label, what is resolved.
            models.Index(
                fields=["model", "label_spec", "session"],
                name="outcomes_resolved",
                condition=Q(excess_return__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.symbol} {self.label_spec}"


class CalibrationReport(models.Model):
    """A report as it was made of the outcomes of one scope; ``figures``, ``bins``, ``curve`` and the rest are those of
    ``evaluation/services/calibration/reports.py``. ``strategy_id`` null and ``prompt_version`` "*": any.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    model = models.CharField(max_length=LONGEST_MODEL_NAME)
    answered_model = models.CharField(max_length=200, blank=True)
    strategy_id = models.UUIDField(null=True)
    prompt_version = models.CharField(max_length=40)
    label_spec = models.CharField(max_length=20)
    window = models.CharField(max_length=10)
    first_session = models.DateField()
    last_session = models.DateField()
    decisions = models.PositiveIntegerField()
    figures = models.JSONField()
    bins = models.JSONField()
    curve = models.JSONField()
    parts = models.JSONField(help_text="Recalibration, coverage against risk, by action, refusals, verdict.")
    sha256 = models.CharField(max_length=64, help_text="Of all that was reckoned.")
    is_published = models.BooleanField(default=False, help_text="A trust curve rests on it; it is kept.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "calibration_reports"
        permissions = [("publish_trust", "Can publish trust curves of calibration reports")]
        constraints = [models.UniqueConstraint(name="one_report_of_the_same", fields=["sha256"])]
        # Read by page and REST: the newest of each scope.
        indexes = [
            models.Index(
                fields=[
                    "label_spec",
                    "model",
                    "answered_model",
                    "window",
                    "strategy_id",
                    "prompt_version",
                    "-created_at",
                ],
                include=["id"],
                name="calibration_newest_of_scope",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.label_spec} to {self.last_session}"


class JobMark(models.Model):
    """How far a job of the evaluator has come: the market time it last saw to, and the last cycle it read."""

    job = models.CharField(max_length=40, primary_key=True)
    market_time = models.DateTimeField(null=True)
    cycle_number = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(default=timezone.now, help_text="The last whole run, wall time.")
    done_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "evaluation_job_marks"

    def __str__(self) -> str:
        return self.job
