"""Why something was bought, frozen."""

from django.db import models
from django.db.models import F, Q
from uuid6 import uuid7

from trading.models.decision import AIDecision
from trading.models.market import Strategy
from trading.models.order import Order


class ThesisQuerySet(models.QuerySet["Thesis"]):
    """Phrases about theses."""

    def open(self) -> "ThesisQuerySet":
        """Return those whose position is held, the newest first."""
        return self.filter(closed_at__isnull=True).order_by("-opened_at", "-id")


class Thesis(models.Model):
    """What an entry that filled was for: why, what would prove it wrong, until when, and where it is given up.

    Written once, with the first part of the entry that is booked; the database refuses every change but its end.
    Percentages of ``entry_price`` (USD per unit); ``opened_at`` and ``closed_at`` are market time. ``horizon_sessions``
    counts the entry's session; null: it named none. ``exit_reason`` is why the position is gone, ``against_thesis``
    that a model sold it before the horizon, with stop and target untouched.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    decision = models.OneToOneField(AIDecision, on_delete=models.PROTECT, related_name="thesis")
    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="thesis")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="theses")
    strategy_version = models.PositiveIntegerField(null=True)
    symbol = models.CharField(max_length=32)
    reasoning = models.TextField(blank=True)
    invalidation = models.CharField(max_length=300, blank=True)
    horizon_sessions = models.PositiveIntegerField(null=True)
    entry_price = models.DecimalField(max_digits=24, decimal_places=12)
    stop_percent = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    target_percent = models.DecimalField(max_digits=9, decimal_places=4, null=True)
    stop_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    target_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    exit_reason = models.CharField(max_length=20, blank=True)
    against_thesis = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ThesisQuerySet.as_manager()

    class Meta:
        db_table = "theses"
        verbose_name_plural = "theses"
        ordering = ["-opened_at"]
        constraints = [
            models.CheckConstraint(
                name="closed_thesis_says_why",
                condition=Q(closed_at__isnull=True, exit_reason="", against_thesis=False)
                | (Q(closed_at__isnull=False) & ~Q(exit_reason="")),
            ),
            models.CheckConstraint(
                name="thesis_entry_between_stop_and_target",
                condition=Q(entry_price__gt=0)
                & (Q(stop_price__isnull=True) | Q(stop_price__gt=0, stop_price__lt=F("entry_price")))
                & (Q(target_price__isnull=True) | Q(target_price__gt=F("entry_price"))),
            ),
        ]
        indexes = [
            # Read by each sync and each question: what is thought of what is held.
            models.Index(fields=["symbol"], name="theses_open", condition=Q(closed_at__isnull=True)),
            # Read by the console's list, the newest first.
            models.Index(fields=["-opened_at", "-id"], name="theses_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.opened_at:%Y-%m-%d}"
