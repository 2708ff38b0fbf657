"""Several statements said in one message, whose answers nobody needs: PostgreSQL makes it one transaction.

Each has a snapshot of its own, so a later one sees what an earlier one wrote, or waited for. Where one fails, none is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.sql import DeleteQuery, Query, UpdateQuery

from trading.core.statements.written_rows import insert_of, note_stored


class Message:
    """Statements in the order in which they are added; ``say`` says them, and nothing is said without it."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._values: list[Any] = []
        self._rows: list[models.Model] = []

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str, values: Sequence[Any] = ()) -> None:
        """Add a statement that is written out; what it stores is stored as it is given."""
        self._texts.append(text)
        self._values += values

    def insert(self, rows: Sequence[models.Model], *, or_ignore: bool = False) -> None:
        """Insert rows of one table, all columns of each; none: nothing. See ``insert_rows``."""
        if rows:
            text, values = insert_of(rows)
            self.add(f"{text} ON CONFLICT DO NOTHING" if or_ignore else text, values)
            self._rows += rows

    def update(self, rows: "models.QuerySet[Any]", changes: Mapping[str, Any]) -> None:
        """Update the rows that a query finds then."""
        query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
        query.add_update_values(dict(changes))
        self._add(query)

    def delete(self, rows: "models.QuerySet[Any]") -> None:
        """Delete the rows of one table that a query finds then; nothing may refer to them."""
        self._add(rows.query.chain(DeleteQuery))

    def _add(self, query: Query) -> None:
        try:
            text, values = query.get_compiler(connection=connection).as_sql()
        except EmptyResultSet:  # ``pk__in=[]``, say
            return
        self.add(text, values)

    def say(self) -> None:
        """Say all of it; nothing where there is nothing to be said.

        Raises:
            IntegrityError, DataError: of one of them; none has done anything then.
        """
        if not self._texts:
            return
        with connection.cursor() as cursor:
            cursor.execute("; ".join(self._texts), self._values)
        note_stored(self._rows)

    def ask(self, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Say all of it, and a last statement that answers; return its rows."""
        self.add(text, values)
        with connection.cursor() as cursor:
            cursor.execute("; ".join(self._texts), self._values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        note_stored(self._rows)
        return found
