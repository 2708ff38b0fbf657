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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from django.db import Error, connection

# Of one process; more would be texts with their values in them, and each is kept by the server.
MOST_TEXTS = 200
_MARK = re.compile(r"%\((\w+)\)s")
# What each connection has prepared; None: a message that was to do so has failed, somewhere.
_known: "WeakKeyDictionary[Any, set[str] | None]" = WeakKeyDictionary()
_said: Counter[str] = Counter()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement with ``$1``, ``$2`` … of the types given, under a name of its own; a per cent sign is written twice.

    ``types`` is empty where PostgreSQL finds them out.
    """

    name: str
    types: str
    text: str

    def rows(self, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows; prepared in the same message, where this connection has not met it."""
        given = f" ({', '.join(['%s'] * len(values))})" if values else ""
        with connection.cursor() as cursor:
            _execute(cursor, [self], f"EXECUTE {self.name}{given}", values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def say(cursor: Any, statements: Sequence[str], values: Mapping[str, Any]) -> None:
    """Say statements in one message, each prepared that this process has said before.

    Args:
        statements: values are ``%(name)s`` in them.
    """
    texts, prepared = [], []
    for text in statements:
        if _is_said_again(text):
            one, execute = _numbered(text)
            prepared.append(one)
            texts.append(execute)
        else:
            texts.append(text)
    _execute(cursor, prepared, ";".join(texts), values)


def _execute(
    cursor: Any, prepared: Sequence[Prepared], text: str, values: Sequence[Any] | Mapping[str, Any]
) -> None:
    """Execute a message, in front of which is prepared what this connection has not met."""
    server = connection.connection
    known = _known.setdefault(server, set())
    if known is None:
        known = _known[server] = _looked_up(cursor.cursor)
    new = {one.name: one for one in prepared if one.name not in known}
    parts = [
        f"PREPARE {one.name}{f' ({one.types})' if one.types else ''} AS {one.text}" for one in new.values()
    ]
    try:
        cursor.execute(";".join([*parts, text]), values)
    except Error:
        if new:
            _known[server] = None
        raise
    known.update(new)


def _looked_up(cursor: Any) -> set[str]:
    """Return what a connection has prepared: asked beside Django, for it is nobody's statement."""
    with connection.wrap_database_errors:
        cursor.execute("SELECT name FROM pg_prepared_statements")
        return {name for (name,) in cursor.fetchall()}


def _is_said_again(text: str) -> bool:
    """Return whether a statement has values, and this process has said it before."""
    if "%(" not in text or (text not in _said and len(_said) >= MOST_TEXTS):
        return False
    _said[text] += 1
    return _said[text] > 1


@lru_cache(maxsize=MOST_TEXTS)
def _numbered(text: str) -> tuple[Prepared, str]:
    """Return a statement with numbers instead of the names of its values, and the one that runs it."""
    names = list(dict.fromkeys(_MARK.findall(text)))
    prepared = prepared_of(_MARK.sub(lambda mark: f"${names.index(mark[1]) + 1}", text))
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
