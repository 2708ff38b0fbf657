"""The sweeper's rounds: find work whose message was lost, and end what is past its deadline.

It reads only PostgreSQL, so that it works when Redis is gone or was emptied. What it finds it hands
back as ``Work``; its caller enqueues it, or runs it here when the queue cannot be reached.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from trading.core import settings
from trading.core.statements.together import read_together
from trading.core.waits import is_over, is_past, is_to_come
from trading.core.work import Work, WorkKind
from trading.cycle import cycles, fetch_parts, pausing
from trading.domain.events.notices import CLOCK_STEPPED
from trading.domain.order_ids import PROTECTIVE
from trading.domain.statuses import OPEN_ORDER, OPEN_SAGA, CycleStage, CycleStatus, DecisionStatus
from trading.execution import approval_requests, approvals, confirmation, settlement
from trading.execution.decision_execution import CLAIM_LEASE
from trading.market import clock_watch
from trading.models import AIDecision, Approval, Cycle, Order, Saga

Queries = dict[str, QuerySet[Any]]
Found = Mapping[str, list[UUID]]
Read = Mapping[str, list[Any]]
LOST_AFTER = timedelta(seconds=5)
SETTLED_FOR_ALL = 3  # more than one, for a message may be lost
EXPIRED_A_ROUND = 100  # 0.7 s measured on a quiet machine


def work_selects(now: datetime) -> Queries:
    """Return the queries by which ``find_work`` finds what it looks at closer, for who reads them with more."""
    asked = {**_cycle_queries(now), **_decision_queries(now), **_saga_queries(now), **_order_queries()}
    return {name: query.only("pk") for name, query in asked.items()}


def find_work(read: Read | None = None) -> list[Work]:
    """Return what lost its message, oldest first.

    Args:
        read: the rows of ``work_selects``, where the caller has just read them.
    """
    now = timezone.now()
    read = read if read is not None else read_together(work_selects(now))
    found = {name: [row.pk for row in rows] for name, rows in read.items()}
    return [*_cycle_work(found, now), *_decision_work(found), *_saga_work(found), *_order_work(found)]


def overdue_selects(now: datetime) -> Queries:
    """Return the queries by which ``end_overdue`` knows whether there is anything, for who reads them with more."""
    waiting = Approval.objects.waiting(now)
    asked: Queries = {"overdue": _overdue(now), "late": _late(now), "waiting": waiting}
    return {name: query.only("pk") for name, query in asked.items()}


def _overdue(now: datetime) -> QuerySet[Cycle]:
    return Cycle.objects.open().filter(Q(deadline_at__lte=now) | is_to_come("started_at", now))


def _late(now: datetime) -> QuerySet[Approval]:
    return Approval.objects.overdue(now).order_by("expires_at", "pk")[:EXPIRED_A_ROUND]


def end_overdue(read: Read | None = None) -> list[Cycle]:
    """Abort cycles past their deadline, expire or withdraw approvals; return the cycles aborted.

    Of the approvals at most ``EXPIRED_A_ROUND`` in one call, the oldest first: the rest of the sweeper's round,
    its sign of life among it, waits for this. What is left the next rounds take; an approval past its time
    cannot be granted meanwhile.

    Args:
        read: the rows of ``overdue_selects``, where the caller has just read them.
    """
    now = timezone.now()
    read = read if read is not None else read_together(overdue_selects(now))
    ending = list(_overdue(now)) if read["overdue"] else []
    aborted = [cycle for cycle in ending if cycles.abort_cycle(cycle, reason=_why_late(cycle, now))]
    for approval in _late(now).select_related("decision") if read["late"] else ():
        approvals.expire(approval)
    if read["waiting"]:
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


def _cycle_queries(now: datetime) -> Queries:
    fetch_time = timedelta(seconds=settings.seconds("fetch_timeout")) + fetch_parts.GRACE
    current = Cycle.objects.filter(status="running", deadline_at__gt=now)
    maintenance = Q(cycle_type=Cycle.Type.MAINTENANCE)
    begin = Q(is_past("stage_at", now, fetch_time), stage=CycleStage.FETCHING)
    longest = cycles.longest_lease()
    go_on = Q(is_over("lease_until", now, longest), stage=CycleStage.FINISHING)
    is_due = is_over("lease_until", now, pausing.longest_wait())
    running = current.exclude(maintenance)
    died = Q(is_over("lease_until", now, longest), stage=CycleStage.ANALYSING)
    return {
        "maintain": current.filter(maintenance, begin | go_on),
        "resume": Cycle.objects.filter(is_due, status=CycleStatus.PAUSED, deadline_at__gt=now),
        "analyse": running.filter(died),
        "fetch": running.filter(begin),
        "finish": running.filter(Q(stage=CycleStage.EXECUTING) | go_on),
    }


def _cycle_work(found: Found, now: datetime) -> Iterator[Work]:
    for name, kind in (
        ("maintain", WorkKind.MAINTAIN),
        ("resume", WorkKind.RESUME),
        ("analyse", WorkKind.ANALYSE),
    ):
        yield from (Work(kind, pk) for pk in found[name])
    for cycle in Cycle.objects.filter(pk__in=found["fetch"]) if found["fetch"] else ():
        kind = WorkKind.FETCH if fetch_parts.is_awaited(cycle, now) else WorkKind.ANALYSE
        yield Work(kind, cycle.pk)
    for pk in found["finish"]:
        if cycles.ready_to_finish(pk):
            yield Work(WorkKind.FINISH, pk)


def _decision_queries(now: datetime) -> Queries:
    lost = Q(status=DecisionStatus.PENDING) & (
        Q(is_past("cycle__stage_at", now, LOST_AFTER), cycle__stage=CycleStage.EXECUTING) | Q(approved=True)
    )
    died = Q(is_over("lease_until", now, CLAIM_LEASE), status=DecisionStatus.CLAIMED)
    waits = Q(cycle__status=CycleStatus.PAUSED, approved=False)
    return {"decisions": AIDecision.objects.filter(lost | died).exclude(waits).order_by("pk")}


def _decision_work(found: Found) -> Iterator[Work]:
    """Decisions that nobody has; several of one cycle are judged together, so that the best of them go first."""
    if not found["decisions"]:
        return
    rows = AIDecision.objects.filter(pk__in=found["decisions"]).order_by("pk")
    together: dict[UUID, list[UUID]] = {}
    for pk, cycle_id, approved in rows.values_list("pk", "cycle_id", "approved"):
        together.setdefault(pk if approved else cycle_id, []).append(pk)
    for group, decisions in together.items():
        yield Work(WorkKind.JUDGE, group) if len(decisions) > 1 else Work(WorkKind.EXECUTE, decisions[0])


def _saga_queries(now: datetime) -> Queries:
    return {"sagas": Saga.objects.open().filter(is_over("next_poll_at", now, CLAIM_LEASE))}


def _saga_work(found: Found) -> Iterator[Work]:
    """Sagas that are due; of those that wait for the broker's word one alone, for it asks for all.

    Of those that have filled and are in time the first few, for one sync books all; a visit puts its own saga behind
    the others.
    """
    if not found["sagas"]:
        return
    due = Saga.objects.open().filter(pk__in=found["sagas"])
    one_asks, settling = False, 0
    for saga in due.order_by("next_poll_at").select_related("order"):
        if confirmation.waits_for_word(saga):
            if one_asks:
                continue
            one_asks = True
        elif settlement.is_one_of_many(saga):
            settling += 1
            if settling > SETTLED_FOR_ALL:
                continue
        yield Work(WorkKind.ADVANCE, saga.pk)


def _order_queries() -> Queries:
    live = _of_ended_sagas().filter(status__in=OPEN_ORDER, broker_order_id__isnull=False)
    # What rests to protect is asked about where it does not fit what is held (``exits/keeping.py``), not each second.
    resting = Order.objects.open().exclude(purpose__in=PROTECTIVE)
    return {
        "live": live,
        # By itself, so that it is read by its partial index alone: PostgreSQL takes a third of all orders to be
        # unbooked, and would read all sagas to join them. Nearly always there is none.
        "unbooked": Order.objects.unbooked(),
        "alone": resting.filter(saga__isnull=True),
    }


def _order_work(found: Found) -> Iterator[Work]:
    """Orders whose saga has ended, but not rightly: open again, filled since, or never undone; and those without."""
    if not any(found[name] for name in ("live", "unbooked", "alone")):
        return
    ended = _of_ended_sagas().filter(pk__in=[*found["live"], *found["unbooked"]])
    for pk in ended.order_by("created_at", "pk").values_list("pk", flat=True):
        yield Work(WorkKind.SETTLE, pk)
    alone = Order.objects.filter(pk__in=[*found["alone"], *found["unbooked"]], saga__isnull=True)
    for pk in alone.order_by("created_at").values_list("pk", flat=True):
        yield Work(WorkKind.FOLLOW, pk)


def _of_ended_sagas() -> QuerySet[Order]:
    return Order.objects.filter(saga__isnull=False).exclude(saga__status__in=OPEN_SAGA)
