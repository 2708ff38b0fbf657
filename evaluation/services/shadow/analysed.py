"""The cycles that a shadow strategy may look at."""

from trading.models import Cycle
from trading.models.cycle import CycleQuerySet


def analysed() -> CycleQuerySet:
    """Return the cycles whose decisions are stored with what they saw, and that have ended: none has a use for the
    machine any more.
    """
    return Cycle.objects.filter(
        cycle_type=Cycle.Type.ANALYSIS, gate_record__isnull=False, ended_at__isnull=False
    )
