"""Several small selects in one statement, for who needs a little of many tables.

Each comes back as a list of JSON, of which the model's instances are made again: exact for decimals, which the server
writes with all their digits. Not for long lists: a thousand rows as JSON take longer than as a statement of their own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import JSONField, Model, QuerySet

from trading.core.statements.message import Message


@dataclass(frozen=True, slots=True)
class Select:
    """A statement of our own words, with its values; its rows are mappings by the names of their columns."""

    sql: str
    values: tuple[Any, ...] = ()


def read_together(
    asked: Mapping[str, "QuerySet[Any, Any] | Select"], *, after: Message | None = None
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
            sql, given = (asking.sql, asking.values) if isinstance(asking, Select) else _compiled(asking)
        except EmptyResultSet:  # ``pk__in=[]``, say
            parts.append("'[]'::json")
            continue
        parts.append(f"(SELECT COALESCE(json_agg(found), '[]') FROM ({sql}) AS found)")  # noqa: S608 - our own words
        values += given
    ((found,),) = (after or Message()).ask(f"SELECT json_build_array({', '.join(parts)})::text", values)
    lists = json.loads(found, parse_float=Decimal)
    return {
        name: rows if isinstance(asking, Select) else [_instance(asking.model, row) for row in rows]
        for (name, asking), rows in zip(asked.items(), lists, strict=True)
    }


def first(rows: Sequence[Any]) -> Any:
    """Return the first of them, None where there is none."""
    return rows[0] if rows else None


def _compiled(asking: "QuerySet[Any, Any]") -> tuple[str, tuple[Any, ...]]:
    sql, values = asking.query.sql_with_params()
    return sql, values


def _instance(model: type[Model], row: Mapping[str, Any]) -> Model:
    """Return the row as the ORM would have it; what is no column of the model is set beside its columns."""
    columns: dict[str, Any] = {
        str(field.column): field for field in model._meta.concrete_fields if field.column in row
    }
    found = model.from_db(
        connection.alias,
        [field.attname for field in columns.values()],
        [
            _plain(row[name]) if isinstance(field, JSONField) else field.to_python(row[name])
            for name, field in columns.items()
        ],
    )
    for name in row.keys() - columns.keys():
        setattr(found, name, row[name])
    return found


def _plain(value: Any) -> Any:
    """Return stored JSON as the ORM reads it: numbers with a point as floats."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
