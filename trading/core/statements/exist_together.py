"""Whether several queries find anything, in one statement."""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet


def exist_together(*queries: "QuerySet[Any]") -> list[bool]:
    """Return of each query whether it finds anything, all as of one moment; each is planned as ``exists`` plans it."""
    texts: list[str] = []
    values: list[Any] = []
    for query in queries:
        try:
            text, given = query.query.exists().get_compiler(connection=connection).as_sql()
        except EmptyResultSet:  # ``pk__in=[]``, say
            text, given = "SELECT NULL WHERE false", ()
        texts.append(f"EXISTS ({text})")
        values.extend(given)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(texts)}", values)
        return list(cursor.fetchone())
