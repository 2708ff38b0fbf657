"""Several small selects in one statement, for who needs a little of many tables.

Each comes back as a list of JSON, of which the model's instances are made again: exact for decimals, which the server
writes with all their digits. Not for long lists: a thousand rows as JSON take longer than as a statement of their own.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Model, QuerySet

from trading.core.statements.json_rows import instances
from trading.core.statements.message import Message


@dataclass(frozen=True, slots=True)
class Select:
    """A statement of our own words, with its values; its rows are mappings by the names of their columns."""

    sql: str
    values: tuple[Any, ...] = ()


class Unchanging:
    """A query that always says the same, whose SQL is made once for each process: nothing of it is of a moment."""

    def __init__(self, query: "Callable[[], QuerySet[Any, Any]]") -> None:
        self._query = query

    @cached_property
    def model(self) -> type[Model]:
        """Of which its rows are instances."""
        return self._query().model

    @cached_property
    def select(self) -> Select:
        """The query as a statement."""
        return Select(*self._query().query.sql_with_params())


def read_together(
    asked: "Mapping[str, QuerySet[Any, Any] | Unchanging | Select]", *, after: Message | None = None
) -> dict[str, list[Any]]:
    """Return the rows of each select by its name, read at one moment in one statement.

    Rows of a query set are instances with their own columns (a joined row's values by ``annotate``; nothing of
    ``select_related``); JSON has no times and ids, so those of a ``Select`` are text.

    Args:
        after: is said before it in the same message; what it has waited for or written is seen.
    """
    parts: list[str] = []
    values: list[Any] = []
    for asking in asked.values():
        try:
            select = _select(asking)
        except EmptyResultSet:  # ``pk__in=[]``, say
            parts.append("'[]'::json")
            continue
        parts.append(f"(SELECT COALESCE(json_agg(found), '[]') FROM ({select.sql}) AS found)")  # noqa: S608 - ours
        values += select.values
    ((found,),) = (after or Message()).ask(f"SELECT json_build_array({', '.join(parts)})::text", values)
    lists = json.loads(found, parse_float=Decimal)
    return {
        name: rows if isinstance(asking, Select) else instances(asking.model, rows)
        for (name, asking), rows in zip(asked.items(), lists, strict=True)
    }


def first(rows: Sequence[Any]) -> Any:
    """Return the first of them, None where there is none."""
    return rows[0] if rows else None


def _select(asking: "QuerySet[Any, Any] | Unchanging | Select") -> Select:
    if isinstance(asking, Unchanging):
        return asking.select
    return asking if isinstance(asking, Select) else Select(*asking.query.sql_with_params())
