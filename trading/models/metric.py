"""What the metrics have counted so far."""

from django.db import models
from django.db.models import Q


class MetricTotals(models.Model):
    """The one row of totals over everything recorded before ``counted_until``; see ``metric_totals``.

    ``after_position``: events up to there are counted already, although their times may come by again.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    counted_until = models.DateTimeField()
    after_position = models.BigIntegerField(default=0)
    totals = models.JSONField(default=dict)

    class Meta:
        db_table = "metric_totals"
        constraints = [models.CheckConstraint(name="one_metric_totals", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"until {self.counted_until:%Y-%m-%d %H:%M:%S}"
