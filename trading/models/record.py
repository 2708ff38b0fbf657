"""What never changes: versions of strategies, and what decisions saw. The database refuses to update them."""

from django.db import models
from uuid6 import uuid7

from trading.models.market import Strategy


class StrategyVersion(models.Model):
    """A strategy as it was in one version: every figure and word of it, by column name."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField()
    content = models.JSONField()
    author = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "strategy_versions"
        ordering = ["strategy", "-version"]
        constraints = [
            models.UniqueConstraint(name="one_row_per_strategy_version", fields=["strategy", "version"])
        ]

    def __str__(self) -> str:
        return f"version {self.version}"


class DecisionRecord(models.Model):
    """What decisions saw, under the SHA-256 of its JSON text: the same content is stored once.

    ``body`` is that text, compressed by zlib; ``size`` its length in bytes before. One record serves all
    decisions of one strategy in one cycle. ``seen_sha256`` is the same over what was seen alone, without wall times
    and ids: two runs that saw the same share it ("" in records from before it was reckoned).
    """

    sha256 = models.CharField(max_length=64, primary_key=True)
    seen_sha256 = models.CharField(max_length=64, blank=True, db_default="", default="")
    body = models.BinaryField()
    size = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "decision_records"
        # Read by the console's list, the newest first.
        indexes = [models.Index(fields=["-created_at"], name="decision_records_recent")]

    def __str__(self) -> str:
        return self.sha256[:12]
