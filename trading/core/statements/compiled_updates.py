"""Updates whose SQL is made once for each process, for the few of each order: see ``compiled_reads``.

What is compared with a moment is compared with one that is as far from now as it was when the statement was made.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast
from uuid import UUID, uuid4

from django.db import connection, models
from django.db.models.sql import UpdateQuery

from trading.core.statements.moved_rows import Statement, by_names
from trading.core.statements.prepared_statements import literal

_NOW = datetime(4000, 1, 1, tzinfo=UTC)  # no moment that anybody means
_FURTHEST = 10 * 365 * 86_400  # seconds: what is further from it than that is a moment of its own


class CompiledUpdate:
    """An update of rows that are found by keys and moments.

    Args:
        update: makes the rows to update, of the keys and of now, and what is written into them. What it says beside
            must always be the same, and keys must come through as they are given.
        keys: how many keys it takes.
    """

    def __init__(
        self,
        update: Callable[[Sequence[UUID], datetime], tuple["models.QuerySet[Any]", Mapping[str, Any]]],
        *,
        keys: int = 1,
    ) -> None:
        self._update = update
        self._marks = [uuid4() for _ in range(keys)]

    @cached_property
    def _compiled(self) -> tuple[str, tuple[Any, ...]]:
        rows, changes = self._update(self._marks, _NOW)
        query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
        query.add_update_values(dict(changes))
        text, parameters = query.get_compiler(rows.db).as_sql()
        if missing := [mark for mark in self._marks if mark not in parameters]:
            raise ValueError(f"{len(missing)} keys are not in the statement as they were given: {text}")
        marks = ["%s" if _is_given(each) else literal(each).replace("%", "%%") for each in parameters]
        return text % tuple(marks), tuple(each for each in parameters if _is_given(each))

    def as_statement(self, *keys: UUID, now: datetime, name: str) -> Statement:
        """Return the update with its values by names that begin so, to be said with more."""
        text, parameters = self._compiled
        given = dict(zip(self._marks, keys, strict=True))
        return by_names(text, [_value(parameter, given, now) for parameter in parameters], name)

    def run(self, *keys: UUID, now: datetime) -> int:
        """Update; return how many rows were."""
        text, parameters = self._compiled
        given = dict(zip(self._marks, keys, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(text, [_value(parameter, given, now) for parameter in parameters])
            return int(cursor.rowcount)


def _is_given(parameter: Any) -> bool:
    """Return whether a parameter is a key or a moment; what else is compared is written out, for the plan's sake."""
    return isinstance(parameter, UUID | datetime)


def _value(parameter: Any, given: Mapping[UUID, UUID], now: datetime) -> Any:
    if isinstance(parameter, UUID):
        return given.get(parameter, parameter)
    if isinstance(parameter, datetime) and abs((parameter - _NOW).total_seconds()) < _FURTHEST:
        return now + (parameter - _NOW)
    return parameter
