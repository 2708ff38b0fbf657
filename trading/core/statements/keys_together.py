"""The keys that several queries find, in one statement: for loops that look each second, and mostly find nothing."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.sql import Query


def keys_together(*queries: "QuerySet[Any]") -> list[list[Any]]:
    """Return the primary keys of each query's rows, in its order, all as of one moment.

    Each is planned as it is by itself, for all its rows: as ``EXISTS`` PostgreSQL would read a table from its beginning
    where it takes a condition for common that nothing meets.
    """
    return [list(keys) for keys in _asked("ARRAY", [query.values("pk").query for query in queries])]


def exist_together(*queries: "QuerySet[Any]") -> list[bool]:
    """Return of each query whether it finds anything, all as of one moment; each is planned as ``exists`` plans it."""
    return list(_asked("EXISTS", [query.query.exists() for query in queries]))


def _asked(function: str, queries: Sequence[Query]) -> tuple[Any, ...]:
    texts: list[str] = []
    values: list[Any] = []
    for query in queries:
        try:
            text, given = query.get_compiler(connection=connection).as_sql()
        except EmptyResultSet:  # ``pk__in=[]``, say
            text, given = "SELECT NULL WHERE false", ()
        texts.append(f"{function} ({text})")
        values.extend(given)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(texts)}", values)
        found: tuple[Any, ...] = cursor.fetchone()
    return found
