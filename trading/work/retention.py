"""Delete old cycles that led to no order; what led to one is kept for good.

Whether a decision was right is known only later, so some of those that led to nothing outlive what they led to: of each
hour of market time the first analysis, whole.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, ProtectedError, Q, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone

from ai.models import ModelCall
from risk.models import RiskCheck, RiskReservation
from trading.core import settings
from trading.domain.statuses import OPEN_CYCLE, CycleStatus
from trading.models import (
    AIDecision,
    Approval,
    Cycle,
    DecisionRecord,
    Event,
    MarketSnapshot,
    Order,
    TradeProposal,
)

log = structlog.get_logger(__name__)

# Whose events tell of the cycle alone: a position's or the agent's go on after it.
AGGREGATES = ("cycle", "decision", "market_snapshot")
# An outcome twenty sessions later takes 28 days, 32 over the holidays; the rest is for whoever reckons it late.
EVIDENCE_KEPT = timedelta(days=45)
HOUR = timedelta(hours=1)
CYCLES_AT_ONCE = 10
# No cycle starts while maintenance is under way, so it leaves the rest for the next hour.
SECONDS = 8.0
MOST_CYCLES = 1_000  # looked up at once: several times what is deleted in that time


def forget_idle_cycles() -> int:
    """Delete cycles that ended ``idle_cycles_kept`` days ago and led to no order; return how many cycles.

    With a cycle go its decisions, what they saw, its model calls, gate answers, prices and events, some cycles in
    one transaction. A cycle is kept whole in which anything was ordered, reserved, proposed from outside or put
    before a person, or of which an event still waits in the outbox; and until ``EVIDENCE_KEPT`` one that is evidence.
    """
    days = settings.count("idle_cycles_kept")
    if not days:
        return 0
    give_up_at = monotonic() + SECONDS
    idle = _idle_cycles(timezone.now() - timedelta(days=days))
    forgotten = 0
    for start in range(0, len(idle), CYCLES_AT_ONCE):
        cycles = idle[start : start + CYCLES_AT_ONCE]
        try:
            _forget(cycles)
        except (IntegrityError, ProtectedError) as error:  # somebody made an order of one just now
            log.warning("cycles_not_forgotten", first=str(cycles[0]), error=str(error))
        else:
            forgotten += len(cycles)
        if monotonic() > give_up_at:
            break
    return forgotten


def evidence() -> QuerySet[Cycle]:
    """Return the cycles by which decisions are judged later: of each hour of market time the first analysis that
    completed.
    """
    analyses = Cycle.objects.filter(cycle_type=Cycle.Type.ANALYSIS, status=CycleStatus.COMPLETED)
    earlier = analyses.filter(
        market_time__gte=OuterRef("hour"),
        market_time__lt=OuterRef("hour") + HOUR,
        number__lt=OuterRef("number"),
    )
    return analyses.annotate(hour=TruncHour("market_time")).filter(
        ~Exists(earlier), market_time__isnull=False
    )


def forget_old_prices(kept: timedelta) -> int:
    """Delete the prices that are older than ``kept``, those of cycles that are evidence later; return how many."""
    now = timezone.now()
    of_evidence = Exists(evidence().filter(pk=OuterRef("cycle_id")))
    old = MarketSnapshot.objects.filter(fetched_at__lt=now - kept)
    deleted, _ = old.exclude(Q(fetched_at__gte=now - max(kept, EVIDENCE_KEPT)) & of_evidence).delete()
    return deleted


def _idle_cycles(before: datetime) -> list[UUID]:
    """Return the oldest cycles that ended before then and led to nothing."""
    cycles = Cycle.objects.filter(started_at__lt=before, ended_at__lt=before).exclude(status__in=OPEN_CYCLE)
    for needing in (
        Order.objects.filter(decision__cycle=OuterRef("pk")),
        Order.objects.filter(cycle_id=OuterRef("pk")),
        Approval.objects.filter(decision__cycle=OuterRef("pk")),
        TradeProposal.objects.filter(decision__cycle=OuterRef("pk")),
        RiskReservation.objects.filter(cycle_id=OuterRef("pk")),
        AIDecision.objects.unsettled().filter(cycle=OuterRef("pk")),
        Event.objects.unpublished().filter(cycle_id=OuterRef("pk")),
    ):
        cycles = cycles.exclude(Exists(needing))
    cycles = cycles.exclude(
        Q(started_at__gte=timezone.now() - EVIDENCE_KEPT) & Exists(evidence().filter(pk=OuterRef("pk")))
    )
    return list(cycles.order_by("started_at", "id").values_list("pk", flat=True)[:MOST_CYCLES])


@transaction.atomic
def _forget(cycles: Sequence[UUID]) -> None:
    """Delete cycles with all that only they have.

    Raises:
        ProtectedError, IntegrityError: one of them led to something after all; nothing was deleted.
    """
    decisions = AIDecision.objects.filter(cycle__in=cycles)
    records = set(decisions.filter(record__isnull=False).values_list("record", flat=True))
    Event.objects.filter(cycle_id__in=cycles, aggregate_type__in=AGGREGATES).delete()
    decisions.delete()
    DecisionRecord.objects.filter(pk__in=records, decisions__isnull=True).delete()
    ModelCall.objects.filter(cycle_id__in=cycles).delete()
    RiskCheck.objects.filter(cycle_id__in=cycles).delete()
    gone = Cycle.objects.filter(pk__in=cycles)
    scenes = set(gone.filter(gate_record__isnull=False).values_list("gate_record", flat=True))
    gone.delete()
    still = Cycle.objects.filter(gate_record__in=scenes).values_list("gate_record", flat=True)
    DecisionRecord.objects.filter(pk__in=scenes - set(still), decisions__isnull=True).delete()
