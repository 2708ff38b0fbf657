"""The sweeper's rounds: find work whose message was lost, and end what is past its deadline.

It reads only PostgreSQL, so that it works when Redis is gone or was emptied. What it finds it hands
back as ``Work``; its caller enqueues it, or runs it here when the queue cannot be reached.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from trading.core import settings
from trading.core.waits import is_over, is_past, is_to_come
from trading.core.work import Work, WorkKind
from trading.cycle import cycles, fetch_parts, pausing
from trading.domain.events.notices import CLOCK_STEPPED
from trading.domain.order_ids import PROTECTIVE
from trading.domain.statuses import OPEN_ORDER, OPEN_SAGA, CycleStage, CycleStatus, DecisionStatus
from trading.execution import approval_requests, approvals, confirmation
from trading.execution.decision_execution import CLAIM_LEASE
from trading.market import clock_watch
from trading.models import AIDecision, Approval, Cycle, Order, Saga

LOST_AFTER = timedelta(seconds=5)
EXPIRED_A_ROUND = 100  # 0.7 s measured on a quiet machine


def find_work() -> list[Work]:
    """Return what lost its message, oldest first."""
    return [*_cycle_work(), *_decision_work(), *_saga_work(), *_order_work()]


def end_overdue() -> list[Cycle]:
    """Abort cycles past their deadline, expire or withdraw approvals; return the cycles aborted.

    Of the approvals at most ``EXPIRED_A_ROUND`` in one call, the oldest first: the rest of the sweeper's round,
    its sign of life among it, waits for this. What is left the next rounds take; an approval past its time
    cannot be granted meanwhile.
    """
    now = timezone.now()
    overdue = list(Cycle.objects.open().filter(Q(deadline_at__lte=now) | is_to_come("started_at", now)))
    aborted = [cycle for cycle in overdue if cycles.abort_cycle(cycle, reason=_why_late(cycle, now))]
    late = Approval.objects.overdue(now).select_related("decision").order_by("expires_at", "pk")
    for approval in late[:EXPIRED_A_ROUND]:
        approvals.expire(approval)
    approval_requests.withdraw_outdated(most=EXPIRED_A_ROUND)
    return aborted


def _why_late(cycle: Cycle, now: datetime) -> str:
    """Return the reason of a cycle past its deadline; one that waits for the broker says so.

    How old a cycle is that seems to have started later than now cannot be told: a clock stepped back since. One that
    is late by a step forward alone is aborted, too: nothing is traded late by any clock.
    """
    if cycle.deadline_at > now:
        return f"{CLOCK_STEPPED} back"
    if clock_watch.stepped_forward(since=cycle.started_at) > now - cycle.deadline_at:
        return f"{CLOCK_STEPPED} forward"
    return f"deadline, {cycle.reason}"[:500] if cycle.status == CycleStatus.PAUSED else "deadline"


def _cycle_work() -> Iterator[Work]:
    now = timezone.now()
    fetch_time = timedelta(seconds=settings.seconds("fetch_timeout")) + fetch_parts.GRACE
    current = Cycle.objects.filter(status="running", deadline_at__gt=now)
    maintenance = Q(cycle_type=Cycle.Type.MAINTENANCE)
    begin = Q(is_past("stage_at", now, fetch_time), stage=CycleStage.FETCHING)
    longest = cycles.longest_lease()
    go_on = Q(is_over("lease_until", now, longest), stage=CycleStage.FINISHING)
    for pk in current.filter(maintenance, begin | go_on).values_list("pk", flat=True):
        yield Work(WorkKind.MAINTAIN, pk)
    is_due = is_over("lease_until", now, pausing.longest_wait())
    waiting = Cycle.objects.filter(is_due, status=CycleStatus.PAUSED, deadline_at__gt=now)
    for pk in waiting.values_list("pk", flat=True):
        yield Work(WorkKind.RESUME, pk)
    running = current.exclude(maintenance)
    died = Q(is_over("lease_until", now, longest), stage=CycleStage.ANALYSING)
    for pk in running.filter(died).values_list("pk", flat=True):
        yield Work(WorkKind.ANALYSE, pk)
    for cycle in running.filter(begin):
        kind = WorkKind.FETCH if fetch_parts.is_awaited(cycle, now) else WorkKind.ANALYSE
        yield Work(kind, cycle.pk)
    for pk in running.filter(Q(stage=CycleStage.EXECUTING) | go_on).values_list("pk", flat=True):
        if cycles.ready_to_finish(pk):
            yield Work(WorkKind.FINISH, pk)


def _decision_work() -> Iterator[Work]:
    """Decisions that nobody has; several of one cycle are judged together, so that the best of them go first."""
    now = timezone.now()
    lost = Q(status=DecisionStatus.PENDING) & (
        Q(is_past("cycle__stage_at", now, LOST_AFTER), cycle__stage=CycleStage.EXECUTING) | Q(approved=True)
    )
    died = Q(is_over("lease_until", now, CLAIM_LEASE), status=DecisionStatus.CLAIMED)
    waits = Q(cycle__status=CycleStatus.PAUSED, approved=False)
    found = AIDecision.objects.filter(lost | died).exclude(waits)
    together: dict[UUID, list[UUID]] = {}
    for pk, cycle_id, approved in found.order_by("pk").values_list("pk", "cycle_id", "approved"):
        together.setdefault(pk if approved else cycle_id, []).append(pk)
    for group, decisions in together.items():
        yield Work(WorkKind.JUDGE, group) if len(decisions) > 1 else Work(WorkKind.EXECUTE, decisions[0])


def _saga_work() -> Iterator[Work]:
    """Sagas that are due; of those that wait for the broker's word one alone, for it asks for all."""
    due = Saga.objects.open().filter(is_over("next_poll_at", timezone.now(), CLAIM_LEASE))
    one_asks = False
    for saga in due.order_by("next_poll_at").select_related("order"):
        if confirmation.waits_for_word(saga):
            if one_asks:
                continue
            one_asks = True
        yield Work(WorkKind.ADVANCE, saga.pk)


def _order_work() -> Iterator[Work]:
    """Orders whose saga has ended, but not rightly: open again, filled since, or never undone; and those without."""
    ended = Order.objects.filter(saga__isnull=False).exclude(saga__status__in=OPEN_SAGA)
    live = ended.filter(status__in=OPEN_ORDER, broker_order_id__isnull=False)
    found = set(live.values_list("created_at", "pk"))
    # By itself, so that it is read by its partial index alone: PostgreSQL takes a third of all orders to be unbooked,
    # and would read all sagas to join them. Nearly always there is none.
    if unbooked := list(Order.objects.unbooked().values_list("pk", flat=True)):
        found.update(ended.filter(pk__in=unbooked).values_list("created_at", "pk"))
    for _, pk in sorted(found):
        yield Work(WorkKind.SETTLE, pk)
    # What rests to protect is asked about where it does not fit what is held (``exits/keeping.py``), not each second.
    resting = Order.objects.open().exclude(purpose__in=PROTECTIVE)
    alone = (resting | Order.objects.filter(pk__in=unbooked)).filter(saga__isnull=True)
    for pk in alone.order_by("created_at").values_list("pk", flat=True):
        yield Work(WorkKind.FOLLOW, pk)
