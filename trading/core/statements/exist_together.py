"""Whether several queries find anything, in one statement."""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from trading.core.statements.message import Message


def exist_together(*queries: "QuerySet[Any]", after: Message | None = None) -> list[bool]:
    """Return of each query whether it finds anything, all as of one moment; each is planned as ``exists`` plans it.

    Args:
        after: is said before it in the same message.
    """
    texts: list[str] = []
    values: list[Any] = []
    for query in queries:
        try:
            text, given = query.query.exists().get_compiler(connection=connection).as_sql()
        except EmptyResultSet:  # ``pk__in=[]``, say
            text, given = "SELECT NULL WHERE false", ()
        texts.append(f"EXISTS ({text})")
        values.extend(given)
    (found,) = (after or Message()).ask(f"SELECT {', '.join(texts)}", values)
    return list(found)
