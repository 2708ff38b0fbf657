"""A cycle's life: start, steps and errors on the way, and its one end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from risk.services import switch
from trading.core import settings, transitions
from trading.core.statements.exist_together import exist_together
from trading.core.trace_spans import traceparent
from trading.core.waits import is_over
from trading.domain.ages import SLACK, in_force
from trading.domain.slots import slot_of
from trading.domain.statuses import CycleStage, DecisionStatus, OrderStatus
from trading.errors import CycleRunningError, SlotTakenError
from trading.market.market_time import latest_market_time
from trading.market.universe import Universe, choose_universe, mark_looked_at
from trading.models import AgentStatus, AIDecision, Cycle, Order, Saga, Trade

log = structlog.get_logger(__name__)
FINISH_LEASE = timedelta(seconds=30)
MAINTENANCE_LEASE = timedelta(minutes=2)
# Longer than the analysis's task may live, which ends its work 5 s after the analysis's time, and is ended 10 s later.
LEASE_BEYOND_ANALYSIS = timedelta(seconds=20)
SETTLE_WAIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What `run_cycle` prints of a cycle that ended."""

    cycle_id: str
    status: str
    cycle_type: str
    market: str
    analyst: str
    reason: str
    symbols: list[str]
    decisions_count: int
    trades_count: int
    skipped: dict[str, int]
    errors: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    duration_seconds: float


def start_cycle(
    *,
    cycle_type: str = Cycle.Type.ANALYSIS,
    trigger: str,
    started_by: str = "",
    symbols: Sequence[str] | None = None,
    slotted: bool = False,
) -> Cycle:
    """Insert the cycle that the caller then puts to work; aborted at once when the switch is engaged.

    Args:
        symbols: what to look at; None: the universe.
        slotted: take the current time slot, so that however many beats run, one cycle starts.

    Raises:
        SlotTakenError: another beat has this slot.
        CycleRunningError: a cycle runs already.
    """
    now = timezone.now()
    agent, _ = AgentStatus.objects.get_or_create(pk=1)
    halted = switch.is_engaged() and cycle_type != Cycle.Type.MAINTENANCE
    universe = Universe(list(symbols), {}) if symbols is not None else _default_universe(cycle_type)
    cycle = Cycle(
        cycle_type=cycle_type,
        trigger=trigger,
        started_by=started_by,
        slot=slot_of(now, settings.count("cycle_interval")) if slotted else None,
        mode=agent.mode,
        symbols=universe.symbols,
        universe=universe.record,
        market_time=latest_market_time(),
        started_at=now,
        stage_at=now,
        deadline_at=now + timedelta(seconds=settings.seconds("cycle_deadline")),
        ordinal=_next_ordinal(cycle_type),
    )
    try:
        _insert(cycle, is_halted=halted)
        log.info("cycle_started", cycle_id=str(cycle.pk), cycle_type=cycle_type, symbols=len(cycle.symbols))
    except IntegrityError as error:
        if "one_cycle_per_slot" in str(error):
            raise SlotTakenError("the cycle of this time slot was started already") from error
        if "one_open_cycle" in str(error):
            raise CycleRunningError("a cycle is running; one runs at a time") from error
        raise
    return cycle


def _next_ordinal(cycle_type: str) -> int:
    """Return the place of a new analysis among all; 0 for other cycles. One is open at a time, so none has it twice."""
    if cycle_type != Cycle.Type.ANALYSIS:
        return 0
    earlier = Cycle.objects.filter(cycle_type=cycle_type).order_by("-number")
    return (earlier.values_list("ordinal", flat=True).first() or 0) + 1


def _insert(cycle: Cycle, *, is_halted: bool) -> None:
    """Store a new cycle with what follows from it; a halted one is stored aborted, and looks at nothing."""
    with transaction.atomic():
        _free_slot(cycle)
        cycle.save(force_insert=True)
        transitions.record_created(
            cycle,
            cycle_type=cycle.cycle_type,
            trigger=cycle.trigger,
            symbol_count=len(cycle.symbols),
            mode=cycle.mode,
            **traceparent(),
        )
        if is_halted:
            abort_cycle(cycle, reason="kill_switch")
            cycle.refresh_from_db()
            return
        mark_looked_at(cycle.symbols, cycle.started_at)
        AgentStatus.objects.filter(pk=1).update(
            is_running=True, current_cycle_id=cycle.pk, last_cycle_time=cycle.started_at
        )


def _free_slot(cycle: Cycle) -> None:
    """Take the cycle's slot from one that had it before a clock stepped back; else it is taken, or free.

    The newest by number tells. If its slot is an earlier one than ours, the clock has come by ours before; so it has
    if the newest seems to start later than now. A second beat, or one of a machine whose clock is somewhat behind,
    finds its slot taken as ever: the newest has it, or a later one that started by now.
    """
    if cycle.slot is None:
        return
    newest = Cycle.objects.filter(slot__isnull=False).order_by("-number").first()
    if newest is None or newest.slot is None or newest.slot == cycle.slot:
        return
    slack = min(SLACK, timedelta(seconds=settings.seconds("cycle_interval")))
    if newest.slot < cycle.slot or newest.started_at > cycle.started_at + slack:
        Cycle.objects.filter(slot=cycle.slot, number__lt=newest.number).update(slot=None)


def _default_universe(cycle_type: str) -> Universe:
    return choose_universe() if cycle_type == Cycle.Type.ANALYSIS else Universe([], {})


def analysis_lease() -> timedelta:
    """Return for how long an analysis that begins now holds its cycle."""
    return timedelta(seconds=settings.seconds("analysis_timeout")) + LEASE_BEYOND_ANALYSIS


def longest_lease() -> timedelta:
    """Return the longest lease of a stage that is given now."""
    return max(MAINTENANCE_LEASE, analysis_lease())


def move_stage(
    cycle_id: UUID, *, to: CycleStage, frm: Sequence[CycleStage], lease: timedelta | None = None
) -> datetime | None:
    """Move a running cycle's stage, or take over the same stage whose lease ran out.

    Returns:
        The claim's token (its lease, or the moment), None when another process has the stage.
    """
    now = timezone.now()
    token = now + lease if lease else None
    free = Q(stage__in=frm) | Q(is_over("lease_until", now, lease or longest_lease()), stage=to)
    updated = Cycle.objects.filter(free, pk=cycle_id, status="running", deadline_at__gt=now).update(
        stage=to, stage_at=now, lease_until=token
    )
    return (token or now) if updated else None


def abort_cycle(cycle: Cycle, *, reason: str) -> bool:
    """End a cycle early and expire what it had not started; return whether this call ended it."""
    now = timezone.now()
    with transaction.atomic():
        # An analysis that is just storing its decisions holds this row: they are seen, or never stored.
        Cycle.objects.select_for_update().only("pk").get(pk=cycle.pk)
        for decision in AIDecision.objects.filter(cycle=cycle, status=DecisionStatus.PENDING, approved=False):
            transitions.apply(
                decision,
                "expire",
                changes={"reason": "cycle_aborted", "reason_detail": reason, "settled_at": now},
                reason="cycle_aborted",
            )
        ended = _end(cycle, "abort", at=now, reason=reason)
        transaction.set_rollback(not ended)
    return ended


def fail_cycle(cycle: Cycle, *, reason: str) -> bool:
    """End a cycle that could not do its work; return whether this call ended it."""
    return _end(cycle, "fail", at=timezone.now(), reason=reason)


def complete_cycle(cycle: Cycle) -> bool:
    """End a cycle whose work is done; return whether this call ended it."""
    return _end(cycle, "complete", at=timezone.now())


def _end(cycle: Cycle, event: str, *, at: datetime, reason: str = "") -> bool:
    """Move the cycle to its end and, in the same transaction, the agent to idle; False when it moved before us."""
    metrics = cycle_metrics(cycle, at)
    columns = {
        "stage": CycleStage.ENDED,
        "stage_at": at,
        "ended_at": at,
        "lease_until": None,
        "reason": reason,
        "metrics": metrics,
        "kept_errors": cycle.errors,
    }
    facts = metrics if event == "complete" else {"reason": reason}
    with transaction.atomic():
        ended = transitions.apply(cycle, event, changes=columns, **facts)
        if ended:
            AgentStatus.objects.filter(pk=1, current_cycle_id=cycle.pk).update(
                is_running=False, current_cycle_id=None
            )
    if ended:
        _log_end(cycle, event, reason, metrics)
    return ended


def _log_end(cycle: Cycle, event: str, reason: str, metrics: dict[str, Any]) -> None:
    if event == "complete":
        log.info("cycle_completed", cycle_id=str(cycle.pk), **metrics)
    elif event == "fail":
        log.error("cycle_failed", cycle_id=str(cycle.pk), reason=reason, **metrics)
    else:
        log.warning("cycle_aborted", cycle_id=str(cycle.pk), reason=reason, **metrics)


def ready_to_finish(cycle_id: UUID) -> bool:
    """Return whether every decision is settled, or 5 s have passed since the broker's last word."""
    unsettled = AIDecision.objects.filter(cycle_id=cycle_id, approved=False).unsettled()
    unjudged = unsettled.filter(status__in=[DecisionStatus.PENDING, DecisionStatus.CLAIMED])
    orders = Order.objects.filter(cycle_id=cycle_id)
    unsent = orders.filter(status__in=[OrderStatus.CREATED, OrderStatus.SUBMITTING, OrderStatus.UNKNOWN])
    is_unjudged, is_unsettled, is_unsent = exist_together(unjudged, unsettled, unsent)
    if is_unjudged or not is_unsettled:
        return not is_unjudged
    return not is_unsent and _acknowledged_for(orders, timezone.now())


def has_open_sagas(cycle_id: UUID) -> bool:
    """Return whether orders of a cycle are under way: of two that end at once, who ends later sees none."""
    return Saga.objects.open().filter(cycle_id=cycle_id).exists()


def claim_finish(cycle_id: UUID) -> Cycle | None:
    """Claim the finish of a cycle that is ready for it; None when it is not, or another has it."""
    if not ready_to_finish(cycle_id):
        return None
    token = move_stage(cycle_id, to=CycleStage.FINISHING, frm=[CycleStage.EXECUTING], lease=FINISH_LEASE)
    return Cycle.objects.get(pk=cycle_id) if token else None


def _acknowledged_for(orders: "QuerySet[Order]", now: datetime) -> bool:
    """Whether the broker has the last of these orders for 5 s at least."""
    last = orders.aggregate(last=Max("acknowledged_at"))["last"]  # a rejected order has none
    return last is None or not in_force(last + SETTLE_WAIT, now, SETTLE_WAIT)


def cycle_metrics(cycle: Cycle, ended_at: datetime) -> dict[str, Any]:
    """Return the figures stored with a cycle at its end."""
    decisions = AIDecision.objects.filter(cycle=cycle).values_list("status", "reason").order_by()
    by_status, skipped = Counter[str](), Counter[str]()
    for status, reason, count in decisions.annotate(n=Count("pk")):
        by_status[status] += count
        if reason:
            skipped[reason] += count
    orders = Order.objects.filter(cycle_id=cycle.pk).aggregate(made=Count("pk"), traded=Count("trade"))
    return {
        "decisions_count": by_status.total(),
        "decisions_by_status": dict(by_status),
        "skipped": dict(skipped),
        "orders_count": orders["made"],
        "trades_count": orders["traded"],
        "duration_seconds": round((ended_at - cycle.started_at).total_seconds(), 3),
    }


def counts(cycle: Cycle) -> tuple[int, int]:
    """Return how many decisions and trades a cycle has: by now, or what it ended with."""
    if not cycle.is_open:
        return cycle.metrics.get("decisions_count", 0), cycle.metrics.get("trades_count", 0)
    decisions = AIDecision.objects.filter(cycle=cycle).count()
    return decisions, Trade.objects.filter(cycle_id=cycle.pk).count()


def report(cycle: Cycle) -> CycleReport:
    """Return what a person or a script wants to know of a cycle that ended."""
    metrics = cycle.metrics
    return CycleReport(
        cycle_id=str(cycle.pk),
        status=cycle.status,
        cycle_type=cycle.cycle_type,
        market=AgentStatus.objects.get(pk=1).world,
        analyst=", ".join(_analysts(cycle)),
        reason=cycle.reason,
        symbols=list(cycle.symbols),
        decisions_count=metrics.get("decisions_count", 0),
        trades_count=metrics.get("trades_count", 0),
        skipped=dict(metrics.get("skipped", {})),
        errors=list(cycle.errors),
        warnings=cycle.warnings,
        duration_seconds=metrics.get("duration_seconds", 0.0),
    )


def _analysts(cycle: Cycle) -> list[str]:
    models = AIDecision.objects.filter(cycle=cycle).exclude(model="")
    return sorted(models.values_list("model", flat=True).distinct())
