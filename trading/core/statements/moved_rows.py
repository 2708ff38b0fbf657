"""The statement that moves a row along its machine and tells of it, and what is said with it in one message.

Row and event are one statement, which is a transaction of its own where none is open. Rows that are to be there once
it has moved are inserted by the same statement; further statements may come before and after it in the message, which
PostgreSQL makes one transaction where none is open.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import Error, connection, models
from django.db.models.sql import UpdateQuery

from trading.core.statements.columns import named_columns
from trading.core.statements.event_rows import append_text, values_of
from trading.core.statements.prepared_statements import say
from trading.core.statements.written_rows import insert_from, note_stored
from trading.models import Event

_MOVE = """
WITH {guard}moved AS (
    UPDATE {table} SET {assignments}{source} WHERE {key} = %(row_key)s AND status = %(row_status)s{where}
    RETURNING {returned}
), told AS ({told}){inserted}
SELECT * FROM moved
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and its values by name.

    Beside a move ``%(row_key)s`` and, of what it sets, ``%(set_<column>)s`` are there, too.
    """

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)


def by_names(text: str, given: Sequence[Any], name: str) -> Statement:
    """Return a compiled text, in which each value is a ``%s``, with its values under names that begin with ``name``."""
    values = {f"{name}_{number}": value for number, value in enumerate(given)}
    for one in values:
        text = text.replace("%s", f"%({one})s", 1)
    return Statement(text, values)


class CompiledCondition:
    """A condition on a row that moves, whose SQL is made once for each process: it must always say the same."""

    def __init__(self, model: type[models.Model], where: models.Q) -> None:
        self._model, self._where = model, where

    @cached_property
    def statement(self) -> Statement:
        """The condition, its values under names that begin with ``where``."""
        query = UpdateQuery(self._model)
        text, given = query.get_compiler(connection=connection).compile(query.build_where(self._where))
        return by_names(str(text), given, "where")


class CompiledExpression:
    """What the database makes of a column of a row that moves, its SQL made once for each process.

    Args:
        expression: must always say the same.
        column: the name of the field that it is written into.
    """

    def __init__(self, model: type[models.Model], column: str, expression: Any) -> None:
        self._model, self._column, self._expression = model, column, expression

    @cached_property
    def statement(self) -> Statement:
        """The expression, its values under names that begin with the column's."""
        query = UpdateQuery(self._model)
        resolved = self._expression.resolve_expression(query, allow_joins=False, for_save=True)
        text, given = query.get_compiler(connection=connection).compile(resolved)
        return by_names(str(text), given, f"set_{self._column}")


@dataclass(slots=True)
class Beside:
    """What is said with a move in one message.

    Args:
        first: a statement before it: what is done even where the move fails. Its values, and those of ``guard``, are
            among those of what is said after the move.
        guard: a call that is made once and must be true; with the move or without, what it has done stays done.
        rows: of each table the rows that are inserted where it moves, and not else.
        then: statements after it; whether it has moved they find by themselves.
        once_committed: a statement that must see what others have committed until the move is: it begins once that is,
            in the same message, and is taken out where a transaction is open. It finds a row only where it has moved.
        is_said: the message has been said; ``found`` is the row that the last of its statements returned.
    """

    first: str = ""
    guard: str = ""
    rows: Sequence[Sequence[models.Model]] = ()
    then: Sequence[Statement] = ()
    once_committed: Statement | None = None
    is_said: bool = False
    found: tuple[Any, ...] | None = None


def move_row(
    row: models.Model,
    status: str,
    values: Mapping[str, Any],
    where: models.Q | CompiledCondition | None,
    told: Event,
    *,
    drawn: dict[str, Any] | None = None,
    beside: Beside | None = None,
) -> bool:
    """Update the row where it still has that status, and append its event; return whether it was.

    With statements after it in the message: whether the last of those has found anything.

    Args:
        values: by column; expressions, too.
        drawn: is given what the database made of these, by column; nothing where statements come after it.

    Raises:
        IntegrityError: the event's place, or one of the rows beside, was taken meanwhile; nothing is written then.
    """
    beside = beside or Beside()
    text, parameters, expressions = _text(row, status, values, where, told, beside)
    message = [beside.first, text, *(statement.text for statement in beside.then)]
    if connection.in_atomic_block:
        beside.once_committed = None
    last = beside.once_committed
    if last is not None:
        message = ["BEGIN", *message, "COMMIT", last.text]
    for statement in (*beside.then, *([last] if last else ())):
        parameters |= statement.values
    found = _said([part for part in message if part], parameters, is_split=last is not None)
    beside.is_said, beside.found = True, found
    if found is not None and drawn is not None and not beside.then and last is None:
        drawn |= dict(zip(expressions, found, strict=False))
    if found is not None:
        for rows in beside.rows:
            note_stored(rows)
    return found is not None


def _said(message: Sequence[str], parameters: Mapping[str, Any], *, is_split: bool) -> tuple[Any, ...] | None:
    """Say the message; return what its last statement found. One with a transaction of its own leaves none open."""
    with connection.cursor() as cursor:
        try:
            say(cursor, message, parameters)
        except Error:
            if is_split:
                with suppress(Error):  # the connection may be gone
                    cursor.execute("ROLLBACK")
            raise
        found: tuple[Any, ...] | None = cursor.fetchone()
    return found


def _text(
    row: models.Model,
    status: str,
    values: Mapping[str, Any],
    where: models.Q | CompiledCondition | None,
    told: Event,
    beside: Beside,
) -> tuple[str, dict[str, Any], list[str]]:
    """Return the statement, its parameters, and which of the values are expressions."""
    model = type(row)
    columns, assignments, parameters = named_columns(model), list[str](), values_of(told)
    drawn = list[str]()
    for name, value in values.items():
        column, marks = columns[name], f"%(set_{name})s"
        if hasattr(value, "resolve_expression"):
            value = CompiledExpression(model, name, value)
        if isinstance(value, CompiledExpression):
            marks = value.statement.text
            parameters |= value.statement.values
            drawn.append(name)
        else:
            plain = value.pk if isinstance(value, models.Model) else value
            parameters[f"set_{name}"] = column.prepared(plain)
        assignments.append(f"{column.quoted} = {marks}")
    further = ""
    if where:
        condition = where if isinstance(where, CompiledCondition) else CompiledCondition(model, where)
        further = f" AND ({condition.statement.text})"
        parameters |= condition.statement.values
    inserted = [
        f", beside_{number} AS ({insert_from(rows, 'moved', f'beside_{number}', parameters)})"
        for number, rows in enumerate(beside.rows)
    ]
    parameters |= {"row_key": row.pk, "row_status": status}
    text = _MOVE.format(
        table=model._meta.db_table,
        assignments=", ".join(assignments),
        key=str(model._meta.pk.column),
        where=f"{further} AND guard.holds" if beside.guard else further,
        guard=f"guard AS MATERIALIZED (SELECT {beside.guard} AS holds), " if beside.guard else "",
        source=" FROM guard" if beside.guard else "",
        returned=", ".join(columns[name].quoted for name in drawn) or "1",
        told=append_text(told, moved="moved"),
        inserted="".join(inserted),
    )
    return text, parameters, drawn
