"""Pages of decisions with everything linked to them, newest first, found by key however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from trading.domain.stage_keys import KEYS
from trading.queries.decision_rows import DecisionRow, rows_before, rows_of
from trading.queries.reading.keyset import ListOrder, ListPage, PageStart, page_of
from trading.queries.stage_words import noted, word_of

NEWEST_FIRST = ListOrder(("decision_created_at", "decision_id"))


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions; None stands for any.

    Args:
        stages: words of domain/stage_keys.py, any of which a decision may have.
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

    @property
    def is_by_stage(self) -> bool:
        """Whether the words of the stages leave any decision out."""
        return self.stages is not None and set(self.stages) != set(KEYS)


ANY = DecisionFilter()
CONDITIONS = {
    "symbol": "symbol = %s",
    "action": "action = %s",
    "strategy_id": "strategy_id = %s",
    "cycle_id": "cycle_id = %s",
    "reason": "reason = %s",
    "since": "created_at >= %s",
    "until": "created_at < %s",
}


def decision_page(
    wanted: DecisionFilter = ANY, *, position: PageStart | None = None, limit: int
) -> ListPage[DecisionRow]:
    """Return the page at ``position``, the newest where there is none: its keys, then what is linked to them."""
    if wanted == ANY and (position is None or not position.backwards):  # what most ask for: in one statement
        rows = rows_before(position.key if position else None, limit + 1)
    elif wanted.is_by_stage:
        rows = _by_stage(wanted, position, limit)
    else:
        rows = _rows(*keys_statement(wanted, position=position, limit=limit))
    return page_of(rows, order=NEWEST_FIRST, position=position, limit=limit)


def keys_statement(
    wanted: DecisionFilter, *, position: PageStart | None, limit: int, but: Sequence[UUID] = ()
) -> tuple[str, list[Any]]:
    """Return the statement of a page's keys and one more: for each word of the stages the front of its index, merged.

    It is planned anew each time, with its values: that is quick for one table, and with several filters the best
    index depends on them.

    Args:
        but: decisions to leave out, whose stored word may be old.
    """
    conditions, values = _conditions(wanted, position)
    if but:
        conditions.append("id <> ALL(%s::uuid[])")
        values.append(list(but))
    front = _front(position, f"LIMIT {limit + 1}")
    words = wanted.stages
    if words is None or not wanted.is_by_stage:
        return _select(conditions, front), values
    if not words:
        return _select([*conditions, "false"], front), values
    branch = f"({_select([*conditions, 'stages = %s'], front)})"
    merged = f"SELECT id, created_at FROM ({' UNION ALL '.join([branch] * len(words))}) AS found {front}"  # noqa: S608 - our own words; values are bound
    return merged, [value for word in words for value in (*values, word)]


def _by_stage(wanted: DecisionFilter, position: PageStart | None, limit: int) -> list[DecisionRow]:
    """Return a page's rows and one more by stored words, and by words read anew where the stored ones may be old."""
    doubtful = noted()
    rows = _rows(*keys_statement(wanted, position=position, limit=limit, but=doubtful))
    if doubtful:
        conditions, values = _conditions(wanted, position)
        found = _rows(_select([*conditions, "id = ANY(%s::uuid[])"], _front(position)), [*values, doubtful])
        rows += [row for row in found if word_of(row) in (wanted.stages or ())]
        is_backwards = position is not None and position.backwards
        rows.sort(key=NEWEST_FIRST.key_of, reverse=not is_backwards)
    return rows[: limit + 1]


def _rows(statement: str, values: Sequence[Any]) -> list[DecisionRow]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return rows_of([key for key, _ in cursor.fetchall()])


def _conditions(wanted: DecisionFilter, position: PageStart | None) -> tuple[list[str], list[Any]]:
    found = [(text, getattr(wanted, name)) for name, text in CONDITIONS.items()]
    conditions = [text for text, value in found if value is not None]
    values = [value for _, value in found if value is not None]
    if position is not None:
        conditions.append(f"(created_at, id) {'>' if position.backwards else '<'} (%s, %s)")
        values += position.key
    return conditions, values


def _front(position: PageStart | None, limit: str = "") -> str:
    way = "ASC" if position is not None and position.backwards else "DESC"
    return f"ORDER BY created_at {way}, id {way} {limit}"


def _select(conditions: Sequence[str], front: str) -> str:
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return f"SELECT id, created_at FROM ai_decisions {where}{front}"  # noqa: S608 - our own words; values are bound
