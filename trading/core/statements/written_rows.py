"""Rows written on the way of every order, many in one statement that is written here.

``bulk_create`` and ``bulk_update`` do the same, and take several times as long to write it.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, models

from trading.core.statements.columns import DRAWN, Column, columns_of, named_columns


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
    model, columns, given = type(rows[0]), list[Column](), list[list[Any]]()
    for column, values in _written(rows):
        columns.append(column)
        given.append(values)
    by_row = list(zip(*given, strict=True))
    marks = [", ".join(["DEFAULT" if value is DRAWN else "%s" for value in row]) for row in by_row]
    text = (
        f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)}"  # noqa: S608 - our own names
        f" ({', '.join([column.quoted for column in columns])}) VALUES ({'), ('.join(marks)})"
    )
    return text, [value for row in by_row for value in row if value is not DRAWN]


def _written(rows: Sequence[models.Model]) -> Iterator[tuple[Column, list[Any]]]:
    """Yield the columns that an insert of these rows names, with the value of each row."""
    for column in columns_of(type(rows[0])):
        values = column.of_new(rows)
        if not column.is_left_out(values):
            yield column, values


def insert_from(rows: Sequence[models.Model], source: str, name: str, values: dict[str, Any]) -> str:
    """Return the statement that inserts rows of one table once for each row of ``source``, as a part of another.

    What the database draws by default is left to it. Who has it said calls ``note_stored``.

    Args:
        rows: at least one; the same columns are left to the database in each.
        name: their values go into ``values`` under names that begin so.
    """
    columns, given = list[Column](), list[Any]()
    for column, each in _written(rows):
        columns.append(column)
        given += each
    text, names = _insert_from(type(rows[0]), source, name, len(rows), tuple(columns))
    values.update(zip(names, given, strict=True))
    return text


@cache
def _insert_from(
    model: type[models.Model], source: str, name: str, count: int, columns: tuple[Column, ...]
) -> tuple[str, list[str]]:
    """Return that statement, and the names of its values, column by column."""
    quoted = ", ".join(column.quoted for column in columns)
    given = ", ".join(f"given.{column.quoted}" for column in columns)
    named = [[f"{name}_{number}_{place}" for number in range(count)] for place, _ in enumerate(columns)]
    rows = [
        ", ".join(f"%({names[number]})s::{column.cast}" for column, names in zip(columns, named, strict=True))
        for number in range(count)
    ]
    text = (
        f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({quoted})"  # noqa: S608 - ours
        f" SELECT {given} FROM {source}"
        f" CROSS JOIN (VALUES {', '.join(f'({marks})' for marks in rows)}) AS given({quoted})"
    )
    return text, [each for names in named for each in names]


def note_stored(rows: Sequence[models.Model]) -> None:
    """Note on rows that they are in the database."""
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


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
    known, key = named_columns(model), named_columns(model)[model._meta.pk.name]
    columns = {name: known[name] for name in rows[0][1]}
    casts = ", ".join(f"%s::{column.type}" for column in (key, *columns.values()))
    quoted = [column.quoted for column in columns.values()]
    statement = (
        f"UPDATE {connection.ops.quote_name(model._meta.db_table)} AS old"  # noqa: S608 - the names of our own columns
        f" SET {', '.join(f'{name} = new.{name}' for name in quoted)}"
        f" FROM (VALUES {', '.join([f'({casts})'] * len(rows))}) AS new(pk, {', '.join(quoted)})"
        f" WHERE old.{key.quoted} = new.pk"
    )
    values: list[Any] = []
    for pk, changes in rows:
        values.append(str(pk))
        for name, column in columns.items():
            value = changes[name]
            values.append(column.prepared(value.pk if isinstance(value, models.Model) else value))
    return statement, values
