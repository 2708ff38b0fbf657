"""Statements that PostgreSQL plans once for each connection; for the few on the way of every order and every request.

Parsing and planning a statement of a dozen joins, or one that writes four tables, takes longer than doing it. The plan
that is kept is one for any values: each session of ours asks for that (``orchestrator_project/session_limits.py``), and
nothing else in it is prepared but what triggers and foreign keys do. So what an index is chosen by (a status, say) is
written into the statement, and not given as a value.

Sessions are ours alone for their lifetime (the kill switch needs that, too): behind a pooler that hands them out by the
transaction this does not work.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

MOST_TEXTS = (
    200  # of one process; more would be texts with their values in them, and each is kept by the server
)
_MARK = re.compile(r"%\((\w+)\)s")
_known: "WeakKeyDictionary[Any, set[str]]" = WeakKeyDictionary()
_said: Counter[str] = Counter()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement with ``$1``, ``$2`` … of the types given, under a name of its own.

    ``types`` is empty where PostgreSQL finds them out.
    """

    name: str
    types: str
    text: str

    def rows(self, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows; prepared before, where this connection has not met it."""
        with connection.cursor() as cursor:
            self.prepare(cursor)
            given = f" ({', '.join(['%s'] * len(values))})" if values else ""
            cursor.execute(f"EXECUTE {self.name}{given}", values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def prepare(self, cursor: Any) -> None:
        """Prepare it, where this connection has not met it: beside what Django counts, for the next one costs none."""
        prepared = _known.setdefault(connection.connection, set())
        if self.name not in prepared:
            types = f" ({self.types})" if self.types else ""
            with connection.wrap_database_errors:
                cursor.cursor.execute(f"PREPARE {self.name}{types} AS {self.text}")
            prepared.add(self.name)


def message_of(cursor: Any, statements: Sequence[str]) -> str:
    """Return the text that says statements in one message, each prepared that this process has said before.

    Args:
        statements: values are ``%(name)s`` in them.
    """
    return ";".join(_prepared(cursor, text) for text in statements)


def _prepared(cursor: Any, text: str) -> str:
    """Return what is said instead of a statement; itself the first time, and where it has no values."""
    if "%(" not in text or (text not in _said and len(_said) >= MOST_TEXTS):
        return text
    _said[text] += 1
    if _said[text] == 1:
        return text
    prepared, execute = _numbered(text)
    prepared.prepare(cursor)
    return execute


@lru_cache(maxsize=MOST_TEXTS)
def _numbered(text: str) -> tuple[Prepared, str]:
    """Return a statement with numbers instead of the names of its values, and the one that runs it."""
    names = list(dict.fromkeys(_MARK.findall(text)))
    numbered = _MARK.sub(lambda mark: f"${names.index(mark[1]) + 1}", text).replace("%%", "%")
    prepared = prepared_of(numbered)
    given = ", ".join(f"%({each})s" for each in names)
    return prepared, f"EXECUTE {prepared.name} ({given})"


def prepared_of(text: str, types: str = "") -> Prepared:
    """Return a statement under a name that is made of its text: the same in each thread and process."""
    return Prepared(f"said_{sha256(text.encode()).hexdigest()[:24]}", types, text)


def literal(value: Any) -> str:
    """Return a value as it is written into a statement that takes others."""
    with connection.cursor() as cursor:
        text: bytes = cursor.mogrify("%s", [value])
    return text.decode()
