"""Several statements said in one message, whose answers nobody needs: PostgreSQL makes it one transaction.

Each has a snapshot of its own, so a later one sees what an earlier one wrote, or waited for. Where one fails, none is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models.sql import DeleteQuery, Query, UpdateQuery

from trading.core.statements.written_rows import insert_of, note_stored, update_of


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

    def insert(
        self,
        rows: Sequence[models.Model],
        *,
        or_ignore: bool = False,
        or_update: Sequence[str] = (),
        same: Sequence[str] = (),
    ) -> None:
        """Insert rows of one table, all columns of each; none: nothing.

        Args:
            or_ignore: one that is there already is left out.
            or_update: one whose key is there has these columns written instead.
            same: by which columns it is known to be there; its key where not said.
        """
        if not rows:
            return
        text, values = insert_of(rows)
        if or_ignore:
            text += " ON CONFLICT DO NOTHING"
        if or_update:
            written = ", ".join(f"{name} = EXCLUDED.{name}" for name in _quoted(rows[0], or_update))
            known = ", ".join(_quoted(rows[0], same or [rows[0]._meta.pk.name]))
            text += f" ON CONFLICT ({known}) DO UPDATE SET {written}"
        self.add(text, values)
        self._rows += rows

    def update(self, rows: "models.QuerySet[Any]", changes: Mapping[str, Any]) -> None:
        """Update the rows that a query finds then."""
        query = cast(UpdateQuery, rows.query.chain(UpdateQuery))
        query.add_update_values(dict(changes))
        self._add(query)

    def update_each(
        self, model: type[models.Model], rows: Sequence[tuple[UUID | str, Mapping[str, Any]]]
    ) -> None:
        """Update rows whose values differ: see ``update_from_values``."""
        self.add(*update_of(model, rows))

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


def _quoted(row: models.Model, names: Sequence[str]) -> list[str]:
    """Return the columns of these fields, quoted."""
    fields = [cast("models.Field[Any, Any]", row._meta.get_field(name)) for name in names]
    return [connection.ops.quote_name(str(field.column)) for field in fields]
