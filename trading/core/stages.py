"""Keeps the word of each decision's stages: by the timeline's own rules, in the transaction that changes a fact.

Who changes a fact that the timeline reads calls ``restamp``, or ``restamp_exits`` with a symbol, before it commits.
Locks are taken in this order: order, saga, the exits of a symbol, decisions by id. Facts are read after the locks, so
that of two transactions the later one sees what the earlier one wrote.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from trading.core.decision_rows import facts_of, rows_of
from trading.domain.stage_keys import EXIT_OPEN, key_without_order, stage_key
from trading.domain.statuses import DecisionStatus
from trading.models import AIDecision

EXITS_LOCK = 0x7472_0001
BEFORE_THE_ORDER = (
    DecisionStatus.PENDING,
    DecisionStatus.CLAIMED,
    DecisionStatus.AWAITING_APPROVAL,
    DecisionStatus.STORED,
)
BATCH = 500


def word_after(decision: AIDecision, status: str, changes: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the column to write with a decision's new status; none once an order's story counts instead."""
    if decision.status not in BEFORE_THE_ORDER:
        return {}
    check = changes.get("risk_check", decision.risk_check)
    return {"stages": key_without_order(status, check.allowed if check else None)}


def stamp_new(decisions: Iterable[AIDecision]) -> None:
    """Set the word of decisions that are about to be inserted, without an order or the gate's answer."""
    for decision in decisions:
        decision.stages = key_without_order(decision.status, None)


def restamp(decision_ids: Collection[UUID]) -> int:
    """Store the word that these decisions have now; return how many had another."""
    with transaction.atomic():
        rows = AIDecision.objects.filter(pk__in=decision_ids)
        _lock_exits(rows.values_list("symbol", flat=True))
        locked = rows.order_by("pk").select_for_update(no_key=True)
        stored = dict(locked.values_list("pk", "stages"))
        changed: dict[str, list[UUID]] = {}
        for row in rows_of(stored):
            if (word := stage_key(facts_of(row))) != stored[row.decision_id]:
                changed.setdefault(word, []).append(row.decision_id)
        for word, ids in changed.items():
            AIDecision.objects.filter(pk__in=ids).update(stages=word)
    return sum(map(len, changed.values()))


def restamp_exits(symbols: Iterable[str]) -> int:
    """Do so with what waits for its exit: after a sale, or when a position was found opened or closed."""
    with transaction.atomic():
        names = _lock_exits(symbols)
        waiting = AIDecision.objects.filter(symbol__in=names, stages__in=EXIT_OPEN)
        ids = list(waiting.values_list("pk", flat=True)) if names else []
        return restamp(ids) if ids else 0


def stamp_unstamped() -> int:
    """Store the word of decisions from before there was one, the newest first; return how many."""
    unstamped = AIDecision.objects.filter(stages="").order_by("-created_at", "-id")
    done = 0
    while ids := list(unstamped.values_list("pk", flat=True)[:BATCH]):
        done += restamp(ids)
    return done


def _lock_exits(symbols: Iterable[str]) -> list[str]:
    """Wait until nobody else changes exits of these symbols, until the transaction ends; return them sorted.

    Otherwise a sync could find a position closed while the order that opened it is just being booked, and
    neither would see the other.
    """
    names = sorted(set(symbols))
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [EXITS_LOCK, name])
    return names
