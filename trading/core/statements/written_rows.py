"""Rows written on the way of every order, many in one statement that is written here.

``bulk_create`` and ``bulk_update`` do the same, and take several times as long to write it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models.expressions import DatabaseDefault


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
    text, values = _insert_of(rows)
    with connection.cursor() as cursor:
        cursor.execute(f"{text} ON CONFLICT DO NOTHING" if ignore_conflicts else text, values)
        inserted = int(cursor.rowcount)
    _note_stored(rows)
    return inserted


def insert_together(*tables: Sequence[models.Model]) -> None:
    """Insert rows of several tables, in this order and in one message.

    Args:
        tables: of each the rows; at least one of each.

    Raises:
        IntegrityError, DataError: one cannot be stored; none is then.
    """
    written = [_insert_of(rows) for rows in tables]
    with connection.cursor() as cursor:
        cursor.execute(
            "; ".join(text for text, _ in written), [value for _, values in written for value in values]
        )
    for rows in tables:
        _note_stored(rows)


def _insert_of(rows: Sequence[models.Model]) -> tuple[str, list[Any]]:
    """Return the statement that inserts rows of one table, and its values."""
    columns, database = rows[0]._meta.concrete_fields, connections[DEFAULT_DB_ALIAS]
    marks: list[str] = []
    values: list[Any] = []
    for row in rows:
        given = []
        for column in columns:
            value = column.pre_save(row, add=True)
            if isinstance(value, DatabaseDefault):
                given.append("DEFAULT")
            else:
                given.append("%s")
                values.append(column.get_db_prep_save(value, database))
        marks.append(f"({', '.join(given)})")
    return _insert_into(type(rows[0])) + ", ".join(marks), values


def _note_stored(rows: Sequence[models.Model]) -> None:
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
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
