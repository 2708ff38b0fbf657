"""Pages of decisions with everything linked to them, newest first, found by key however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from trading.domain.stage_keys import KEYS
from trading.services.decision_rows import SELECT, DecisionRow


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions; None stands for any.

    Args:
        stages: the words of domain/stage_keys.py, any of which a decision may have.
        since: when it was decided, inclusive; ``until`` exclusive (wall time).
    """

    symbol: str | None = None
    action: str | None = None
    strategy_id: UUID | None = None
    cycle_id: UUID | None = None
    stages: Sequence[str] | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two decisions: beside the one named, towards older or newer ones."""

    created_at: datetime
    decision_id: UUID
    newer: bool = False


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """Decisions, newest first, and whether there are newer and older ones."""

    rows: Sequence[DecisionRow]
    has_newer: bool
    has_older: bool


ANY = DecisionFilter()
COLUMNS = {
    "symbol": "symbol = %s",
    "action": "action = %s",
    "strategy_id": "strategy_id = %s",
    "cycle_id": "cycle_id = %s",
    "reason": "reason = %s",
    "since": "created_at >= %s",
    "until": "created_at < %s",
}


def decision_page(wanted: DecisionFilter = ANY, *, place: Place | None = None, limit: int) -> DecisionPage:
    """Return up to ``limit`` decisions beside ``place``, or the newest, in one statement."""
    newer = place is not None and place.newer
    keys, values = _keys(wanted, place, limit + 1)
    order = "ASC" if newer else "DESC"
    statement = f"WITH keys AS MATERIALIZED ({keys}) {SELECT} ORDER BY keys.created_at {order}, keys.id {order}"
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found = list(map(DecisionRow._make, cursor.fetchall()))
    more = len(found) > limit
    del found[limit:]
    if newer:
        found.reverse()
    return DecisionPage(
        rows=found,
        has_newer=more if newer else place is not None,
        has_older=True if newer else more,
    )


def _keys(wanted: DecisionFilter, place: Place | None, limit: int) -> tuple[str, list[Any]]:
    """Return the statement for the page's keys: for each word of the stages the front of its index, merged."""
    newer = place is not None and place.newer
    order = "ORDER BY created_at ASC, id ASC" if newer else "ORDER BY created_at DESC, id DESC"
    conditions, values = [], []
    for name, condition in COLUMNS.items():
        if (value := getattr(wanted, name)) is not None:
            conditions.append(condition)
            values.append(value)
    if place is not None:
        conditions.append(f"(created_at, id) {'>' if newer else '<'} (%s, %s)")
        values += [place.created_at, place.decision_id]
    words = wanted.stages
    if words is None or set(words) == set(KEYS):
        return _front(conditions, order, limit), values
    if not words:
        return _front([*conditions, "false"], order, limit), values
    branches = [f"({_front([*conditions, 'stages = %s'], order, limit)})" for _ in words]
    merged = f"SELECT id, created_at FROM ({' UNION ALL '.join(branches)}) AS found {order} LIMIT {limit}"
    return merged, [value for word in words for value in (*values, word)]


def _front(conditions: Sequence[str], order: str, limit: int) -> str:
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return f"SELECT id, created_at FROM ai_decisions {where}{order} LIMIT {limit}"
