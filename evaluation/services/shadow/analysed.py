"""The cycles that a shadow strategy may look at."""

from trading.models import Cycle
from trading.models.cycle import CycleQuerySet


def analysed() -> CycleQuerySet:
    """Return the cycles whose decisions are stored with what they saw."""
    return Cycle.objects.filter(cycle_type=Cycle.Type.ANALYSIS, gate_record__isnull=False)
