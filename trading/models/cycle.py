"""Cycles."""

import uuid
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import Func, OuterRef, Q, Value
from django.db.models.functions import Cast
from uuid6 import uuid7

from trading.domain.statuses import OPEN_CYCLE, CycleStage, CycleStatus
from trading.models.event import Event
from trading.models.shared.id_ends import index_of_ends

NUMBERS = "cycles_number"
SAYS_WHY_OR_WHO = ~Q(
    reason="", started_by=""
)  # what few cycles do: those of the schedule that ended well do not
ERROR = "cycle.error"
WARNING = "cycle.warning"


def _choices(words: type[CycleStatus] | type[CycleStage]) -> list[tuple[str, str]]:
    return [(word.value, word.value) for word in words]


class CycleQuerySet(models.QuerySet["Cycle"]):
    def open(self) -> "CycleQuerySet":
        """Return the cycles that have not ended (one at most)."""
        return self.filter(status__in=OPEN_CYCLE)

    def with_errors(self) -> "CycleQuerySet":
        """Bring the errors of each along, for what lists cycles: one query instead of one for each."""
        said = Event.objects.filter(
            aggregate_type="cycle",
            aggregate_id=Cast(OuterRef("pk"), models.CharField()),
            type=ERROR,
        )
        return self.annotate(said_errors=ArraySubquery(said.order_by("sequence").values("payload")))


class Cycle(models.Model):
    """One run of the line; ``symbols`` is its universe.

    ``kept_errors`` are its errors as they were at its end, for whoever reads the table; ours come from the events.

    ``universe`` says why these symbols (domain/universe_record.py); empty where a person named them.
    ``market_time`` is the broker's clock at the start, by which look-back windows go.

    ``number`` counts cycles as they were inserted, whatever clocks say; ``ordinal`` counts the analyses alone, one by
    one, for what takes turns by cycles. ``slot`` is the start of its time slot
    in unix seconds, null when a person started it, and when a clock that stepped back came by that slot again.
    ``lease_until`` guards the analysis and the finish: past it another process may take the work over. It
    also keeps others from publishing the fetches while one does. ``gate_record`` is what the gate stood on when the
    decisions were stored (``trading/analysis/gate_scene.py``), null before that.
    """

    class Type(models.TextChoices):
        ANALYSIS = "analysis"
        EXECUTION = "execution"
        MAINTENANCE = "maintenance"

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(
        primary_key=True, default=uuid7, editable=False
    )
    cycle_type = models.CharField(max_length=12, choices=Type.choices, default=Type.ANALYSIS)
    status = models.CharField(max_length=10, choices=_choices(CycleStatus), default=CycleStatus.RUNNING)
    stage = models.CharField(max_length=10, choices=_choices(CycleStage), default=CycleStage.FETCHING)
    slot = models.BigIntegerField(null=True)
    trigger = models.CharField(max_length=20)
    gate_record = models.ForeignKey(
        "trading.DecisionRecord",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",  # its index is read by who forgets records
    )
    started_by = models.CharField(max_length=150, blank=True)
    mode = models.CharField(max_length=12)
    symbols = models.JSONField(default=list)
    universe = models.JSONField(default=dict)
    market_time = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    kept_errors = models.JSONField(default=list, db_column="errors")
    headlines = models.JSONField(default=list)
    metrics = models.JSONField(default=dict)
    started_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    stage_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    number = models.BigIntegerField(db_default=Func(Value(NUMBERS), function="nextval"), editable=False)
    ordinal = models.BigIntegerField(default=0, db_default=0, editable=False)

    objects = CycleQuerySet.as_manager()

    class Meta:
        db_table = "cycles"
        ordering = ["-started_at"]
        permissions = [("run_cycle", "Can start, pause, resume and stop cycles")]
        constraints = [
            # Two beats start one cycle.
            models.UniqueConstraint(name="one_cycle_per_slot", fields=["slot"]),
            models.UniqueConstraint(
                models.expressions.Value(1),
                name="one_open_cycle",
                condition=Q(status__in=[s.value for s in OPEN_CYCLE]),
            ),
            models.CheckConstraint(
                name="ended_cycle_says_when",
                condition=Q(status__in=[s.value for s in OPEN_CYCLE]) | Q(ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="early_end_says_why",
                condition=~Q(status__in=["failed", "aborted"]) | ~Q(reason=""),
            ),
        ]
        # Read by the console and by the history's keyset pages.
        indexes = [
            index_of_ends("cycles_id_ends"),
            models.Index(fields=["-started_at", "-id"], name="cycles_recent"),
            # Read by the universe: the cycles of the last 24 hours of market time.
            models.Index(fields=["market_time"], name="cycles_in_market_time"),
            # Read by the console's search: the few that have words.
            models.Index(
                fields=["-started_at", "-id"],
                name="cycles_with_words",
                condition=SAYS_WHY_OR_WHO,
            ),
            # Read by each start, by doctor and by the metrics: the newest, whatever clocks say.
            models.Index(fields=["-number"], name="cycles_by_number"),
        ]

    def __str__(self) -> str:
        return f"{self.cycle_type} {self.started_at:%Y-%m-%d %H:%M:%S} {self.status}"

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What went wrong on the way, oldest first; each has operation, type, message, symbol and at.

        Read from the events each time, unless ``with_errors`` brought them along.
        """
        said: list[dict[str, Any]] | None = self.__dict__.get("said_errors")
        return self._said(ERROR) if said is None else said

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What was odd and did no harm, oldest first; each has operation and message. Read from the events."""
        return self._said(WARNING)

    def _said(self, kind: str) -> list[dict[str, Any]]:
        events = Event.objects.filter(aggregate_type="cycle", aggregate_id=str(self.pk), type=kind)
        return list(events.order_by("sequence").values_list("payload", flat=True))

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN_CYCLE
