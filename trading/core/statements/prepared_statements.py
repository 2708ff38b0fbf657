"""Statements that PostgreSQL plans once for each connection; for the few on the way of every request.

By its estimates the server would rather plan a dozen joins anew each time, which takes twice as long as they do. It is
told to keep the plan for the statement's own transaction only: no other statement of the session is meant.

Sessions are ours alone for their lifetime (the kill switch needs that, too): behind a pooler that hands them out by the
transaction neither works.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

# In one message with the statement, which makes both one transaction where none is open, and costs no round trip.
KEEP_THE_PLAN = "SET LOCAL plan_cache_mode = force_generic_plan"
_known: "WeakKeyDictionary[Any, set[str]]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement with ``$1``, ``$2`` … of the types given, under a name of its own."""

    name: str
    types: str
    text: str

    def rows(self, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows; prepared before, where this connection has not met it."""
        with connection.cursor() as cursor:
            prepared = _known.setdefault(connection.connection, set())
            if self.name not in prepared:
                cursor.execute(f"PREPARE {self.name} ({self.types}) AS {self.text}")
                prepared.add(self.name)
            marks = ", ".join(["%s"] * len(values))
            cursor.execute(f"{KEEP_THE_PLAN}; EXECUTE {self.name} ({marks})", values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
