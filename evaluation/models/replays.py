"""What was tried, what came of it, and copies of what trading forgets."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from uuid6 import uuid7

LONGEST_NAME = 100


class Experiment(models.Model):
    """Something tried, as it was asked for; the database refuses to change a row."""

    class Kind(models.TextChoices):
        REPLAY = "replay"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    name = models.CharField(max_length=LONGEST_NAME, blank=True)
    spec = models.JSONField()
    spec_sha256 = models.CharField(max_length=64)
    author = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "experiments"
        ordering = ("-created_at",)
        # Read by the list of replays, the newest first; and by who takes up what was stopped.
        indexes = [
            models.Index(fields=["-created_at"], name="experiments_recent"),
            models.Index(fields=["spec_sha256"], name="experiments_by_spec"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.kind} {str(self.pk)[-8:]}"


class Run(models.Model):
    """One execution of an experiment; ``figures`` are those of ``evaluation.domain.figures``, and counts, by name.

    ``progress`` is how far it is: ``decisions`` done, requests ``asked``, ``costUsd`` spent, all of its executions
    counted, and ``estimate``, what it was expected to take.
    """

    class Status(models.TextChoices):
        """How far it is; ``incomplete``: not everything could be answered, ``failed``: it could not go on."""

        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        INCOMPLETE = "incomplete"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="runs")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    reason = models.CharField(max_length=500, blank=True)
    progress = models.JSONField(default=dict, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    is_stopped = models.BooleanField(default=False, help_text="A person wants it to ask nothing more.")
    in_background = models.BooleanField(
        default=False, help_text="The evaluator carries it out, and takes it up where it was cut off."
    )
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "replay"
        db_table = "runs"
        ordering = ("-created_at",)
        permissions = [("ask_again", "Can ask recorded decisions again, within the purse of evaluations")]
        indexes = [
            # Read by the evaluator: what waits for it, or was cut off.
            models.Index(
                fields=["created_at"],
                name="runs_in_background",
                condition=Q(in_background=True, status__in=["queued", "running"]),
            ),
            # Read by the list of replays and by REST, the newest first.
            models.Index(fields=["-created_at", "-id"], name="runs_recent"),
        ]
        constraints = [
            models.CheckConstraint(
                name="ended_run_says_when",
                condition=Q(status__in=["queued", "running"]) | Q(ended_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.experiment} ({self.status})"


class ReplayItem(models.Model):
    """One decision of a replay: what it was, and what came of asking again.

    ``decision_id`` is no foreign key: the decision may be forgotten before this. ``before`` and ``after`` are what
    ``evaluation/services/replay/comparing.py`` writes, ``change`` and ``shift`` (by how much the confidence is
    another) the order in which they are told.
    """

    class Change(models.IntegerChoices):
        """What is another; the higher, the more it tells."""

        UNANSWERED = 0, "no answer"
        NOTHING = 1, "the same"
        CONFIDENCE = 2, "another confidence"
        VERDICT = 3, "another answer of the gate"
        ACTION = 4, "another action"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="items")
    decision_id = models.UUIDField()
    model = models.CharField(max_length=500)
    sample = models.PositiveSmallIntegerField(default=0)
    symbol = models.CharField(max_length=32)
    as_of = models.DateTimeField(null=True)
    before = models.JSONField()
    after = models.JSONField()
    request_hash = models.CharField(max_length=64, blank=True)
    from_cache = models.BooleanField()
    cost_usd = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    change = models.PositiveSmallIntegerField(choices=Change.choices, default=Change.NOTHING)
    shift = models.DecimalField(max_digits=5, decimal_places=4, default=0)

    class Meta:
        db_table = "replay_items"
        indexes = [
            # Read by a run's page and by REST: what changed most first.
            models.Index(fields=["run", "-change", "-shift", "-id"], name="replay_items_told")
        ]
        constraints = [
            # Read by the pages of a run, too.
            models.UniqueConstraint(
                name="one_item_per_decision", fields=["run", "decision_id", "model", "sample"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol} of {self.run_id}"


class PurseReservation(models.Model):
    """What a request under way may cost at most, taken out of the day's purse until its cost is known.

    It counts while the database session that made it lives (``evaluation/services/purse.py``): a killed process's
    ends with it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    most_usd = models.DecimalField(max_digits=12, decimal_places=6)
    backend_pid = models.IntegerField()
    backend_started_at = models.DateTimeField()

    class Meta:
        db_table = "purse_reservations"

    def __str__(self) -> str:
        return f"{self.most_usd} USD of {self.backend_pid}"


class EvaluationRecord(models.Model):
    """A copy of what a decision saw, under the same SHA-256: what trading forgets, a data set keeps."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    body = models.BinaryField(help_text="zlib.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "evaluation_records"

    def __str__(self) -> str:
        return self.sha256[:12]


class Dataset(models.Model):
    """Decisions under a name, for replays; one that was made does not change."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=LONGEST_NAME, unique=True)
    description = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "datasets"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class DatasetItem(models.Model):
    """One decision of a data set, with all that asking again needs; ``facts`` are a source's as JSON values."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="items")
    record = models.ForeignKey(EvaluationRecord, null=True, on_delete=models.PROTECT, related_name="+")
    decision_id = models.UUIDField()
    facts = models.JSONField()

    class Meta:
        db_table = "dataset_items"
        constraints = [
            models.UniqueConstraint(name="decision_once_in_a_dataset", fields=["dataset", "decision_id"])
        ]

    def __str__(self) -> str:
        return str(self.decision_id)
