"""The message that moves many rows of one table along their machine and tells of each: see ``moved_rows`` for one.

Its first statement locks the rows in the order of their keys; what moves them is a second one, which sees all that was
written while the first waited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.models.sql import UpdateQuery

from trading.core.statements.columns import named_columns
from trading.core.statements.event_rows import append_each_text
from trading.core.statements.message import Message
from trading.models import Event

_LOCK = "SELECT FROM {table} WHERE {key} IN ({keys}) ORDER BY {key} FOR NO KEY UPDATE"
_MOVED = """{name} AS (
    UPDATE {table} SET {assignments} FROM (VALUES {rows}) AS given({columns})
    WHERE {table}.{key} = given.row_key AND {table}.status = given.row_status RETURNING {table}.{key} AS row_key
)"""


@dataclass(frozen=True, slots=True)
class Moving:
    """A row, what is written into it, and the event that tells of it.

    ``values`` are those of its columns, the status among them; an expression only where all rows with these columns
    have the same.
    """

    row: models.Model
    status: str
    values: Mapping[str, Any]
    told: Event


def move_rows(moving: Sequence[Moving], *, are_locked: bool, after: Message) -> set[UUID]:
    """Move the rows that still have their status, and append their events; return the keys of those that moved.

    One message, which is a transaction by itself where none is open.

    Args:
        moving: at least one, all of one table, each once.
        are_locked: the caller's transaction has locked them.
        after: what is said before it in the message.
    """
    model = type(moving[0].row)
    table, key = model._meta.db_table, str(model._meta.pk.column)
    values = list[Any]()
    if not are_locked:
        marks = ", ".join(["%s"] * len(moving))
        after.add(_LOCK.format(table=table, key=key, keys=marks), [one.row.pk for one in moving])
    parts, names = [], []
    for number, group in enumerate(_by_columns(moving)):
        names.append(f"moved_{number}")
        parts.append(_moved(model, names[-1], group, values))
    keys = " UNION ALL ".join(f"SELECT row_key FROM {name}" for name in names)  # noqa: S608 - our own names
    moved = f"(SELECT row_key::text AS moved_id FROM ({keys}) AS each_moved) AS moved"  # noqa: S608 - ours
    told, given = append_each_text([one.told for one in moving], moved=moved)
    found = after.ask(f"WITH {', '.join(parts)}, told AS ({told}) {keys}", [*values, *given])
    return {row[0] for row in found}


def _by_columns(moving: Sequence[Moving]) -> list[list[Moving]]:
    groups: dict[tuple[str, ...], list[Moving]] = {}
    for one in moving:
        groups.setdefault(tuple(sorted(one.values)), []).append(one)
    return list(groups.values())


def _moved(model: type[models.Model], name: str, group: Sequence[Moving], values: list[Any]) -> str:
    """Return the part that updates rows of the same columns; its values are added to ``values``."""
    known, names = named_columns(model), group[0].values
    plain = [known[each] for each in names if not hasattr(names[each], "resolve_expression")]
    assignments = [f"{column.quoted} = given.{column.quoted}" for column in plain]
    for each, value in names.items():
        if hasattr(value, "resolve_expression"):
            query = UpdateQuery(model)
            resolved = value.resolve_expression(query, allow_joins=False, for_save=True)
            text, given = query.get_compiler(connection=connection).compile(resolved)
            assignments.append(f"{known[each].quoted} = {text}")
            values += given
    casts = [known[model._meta.pk.name].cast, "varchar", *(column.cast for column in plain)]
    written = [each for each in names if known[each] in plain]
    for one in group:
        values += [str(one.row.pk), one.status]
        for column, each in zip(plain, written, strict=True):
            value = one.values[each]
            values.append(column.prepared(value.pk if isinstance(value, models.Model) else value))
    row = f"({', '.join(f'%s::{kind}' for kind in casts)})"
    return _MOVED.format(
        name=name,
        table=model._meta.db_table,
        key=model._meta.pk.column,
        assignments=", ".join(assignments),
        rows=", ".join([row] * len(group)),
        columns=", ".join(["row_key", "row_status", *(column.quoted for column in plain)]),
    )
