"""Rows written on the way of every order, many in one statement that is written here.

``bulk_create`` and ``bulk_update`` do the same, and take several times as long to write it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models.expressions import DatabaseDefault
from django.db.models.fields import AutoFieldMixin


def insert_rows(rows: Sequence[models.Model], *, ignore_conflicts: bool = False) -> int:
    """Insert rows of one table, all columns of each; return how many there were.

    What the database draws by default is not read back.

    Args:
        ignore_conflicts: one that is there already is left out.

    Raises:
        IntegrityError, DataError: one cannot be stored; none is then.
    """
    if not rows:
        return 0
    text, values = insert_of(rows)
    with connection.cursor() as cursor:
        cursor.execute(f"{text} ON CONFLICT DO NOTHING" if ignore_conflicts else text, values)
        inserted = int(cursor.rowcount)
    note_stored(rows)
    return inserted


def insert_of(rows: Sequence[models.Model]) -> tuple[str, list[Any]]:
    """Return the statement that inserts rows of one table, and its values."""
    columns, database = rows[0]._meta.concrete_fields, connections[DEFAULT_DB_ALIAS]
    marks: list[str] = []
    values: list[Any] = []
    for row in rows:
        given = []
        for column in columns:
            value = column.pre_save(row, add=True)
            if _is_drawn(column, value):
                given.append("DEFAULT")
            else:
                given.append("%s")
                values.append(column.get_db_prep_save(value, database))
        marks.append(f"({', '.join(given)})")
    return _insert_into(type(rows[0])) + ", ".join(marks), values


def _is_drawn(column: "models.Field[Any, Any]", value: Any) -> bool:
    """Return whether the database draws the value: by its default, or because it numbers the rows."""
    return isinstance(value, DatabaseDefault) or (value is None and isinstance(column, AutoFieldMixin))


def insert_from(rows: Sequence[models.Model], source: str, name: str, values: dict[str, Any]) -> str:
    """Return the statement that inserts rows of one table once for each row of ``source``, as a part of another.

    What the database draws by default is left to it. Who has it said calls ``note_stored``.

    Args:
        rows: at least one; the same columns are left to the database in each.
        name: their values go into ``values`` under names that begin so.
    """
    database = connections[DEFAULT_DB_ALIAS]
    model, drawn = type(rows[0]), set()
    columns = model._meta.concrete_fields
    for number, row in enumerate(rows):
        for place, column in enumerate(columns):
            value = column.pre_save(row, add=True)
            if _is_drawn(column, value):
                drawn.add(place)
            else:
                values[f"{name}_{number}_{place}"] = column.get_db_prep_save(value, database)
    return _insert_from(model, source, name, len(rows), frozenset(drawn))


@cache
def _insert_from(model: type[models.Model], source: str, name: str, count: int, drawn: frozenset[int]) -> str:
    quote = connection.ops.quote_name
    written = [each for each in enumerate(model._meta.concrete_fields) if each[0] not in drawn]
    names = ", ".join(quote(str(column.column)) for _, column in written)
    given = ", ".join(f"given.{quote(str(column.column))}" for _, column in written)
    rows = [
        ", ".join(f"%({name}_{number}_{place})s::{cast_of(column)}" for place, column in written)
        for number in range(count)
    ]
    return (
        f"INSERT INTO {quote(model._meta.db_table)} ({names}) SELECT {given} FROM {source}"  # noqa: S608 - ours
        f" CROSS JOIN (VALUES {', '.join(f'({marks})' for marks in rows)}) AS given({names})"
    )


def cast_of(column: "models.Field[Any, Any]") -> str:
    """Return a column's type, without its length: a cast would cut what is too long, which the column refuses."""
    return str(column.db_type(connection)).partition("(")[0]


def note_stored(rows: Sequence[models.Model]) -> None:
    """Note on rows that they are in the database."""
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


@cache
def _insert_into(model: type[models.Model]) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(column.column)) for column in model._meta.concrete_fields)
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES "  # noqa: S608 - our own names


def update_from_values(
    model: type[models.Model], rows: Sequence[tuple[UUID | str, Mapping[str, Any]]]
) -> None:
    """Write rows whose values differ, in one statement; ``bulk_update`` takes ten times as long to write its own.

    Args:
        rows: at least one; key, and values by column, the same columns in each. A status is moved by ``apply``.
    """
    with connection.cursor() as cursor:
        cursor.execute(*update_of(model, rows))


def update_of(
    model: type[models.Model], rows: Sequence[tuple[UUID | str, Mapping[str, Any]]]
) -> tuple[str, list[Any]]:
    """Return the statement of ``update_from_values``, and its values."""
    named = {column.name: column for column in model._meta.concrete_fields}
    columns = {name: named[name] for name in rows[0][1]}
    key = model._meta.pk
    casts = ", ".join(f"%s::{column.db_type(connection)}" for column in (key, *columns.values()))
    quote = connection.ops.quote_name
    quoted = [quote(str(column.column)) for column in columns.values()]
    statement = (
        f"UPDATE {quote(model._meta.db_table)} AS old"  # noqa: S608 - the names of our own columns
        f" SET {', '.join(f'{name} = new.{name}' for name in quoted)}"
        f" FROM (VALUES {', '.join([f'({casts})'] * len(rows))}) AS new(pk, {', '.join(quoted)})"
        f" WHERE old.{quote(str(key.column))} = new.pk"
    )
    values: list[Any] = []
    for pk, changes in rows:
        values.append(str(pk))
        for name, column in columns.items():
            value = changes[name]
            plain = value.pk if isinstance(value, models.Model) else value
            values.append(column.get_db_prep_save(plain, connection))
    return statement, values
