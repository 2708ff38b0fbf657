"""Sums that several parts of a report need: each is read once, and those that are named ahead in one statement."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connection

Answer = TypeVar("Answer")
Line = Sequence[Any]
MOST_NUMBERS = 9
_NAMED = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Sum(Generic[Answer]):
    """A sum over some table.

    Args:
        sql: a select of two texts and then ``numbers`` numbers, at most ``MOST_NUMBERS``; each value by its name.
        read: makes the answer of its lines: the two texts, then ``MOST_NUMBERS`` numbers; None where there are fewer.
    """

    sql: str
    numbers: int
    values: Mapping[str, Any]
    read: Callable[[Sequence[Line]], Answer]

    @property
    def key(self) -> str:
        """What it has in common with the same sum named elsewhere."""
        return repr((self.sql, [self.values[name] for name in _NAMED.findall(self.sql)]))


class Together:
    """The sums of one report, as of one moment where they were named ahead."""

    def __init__(self) -> None:
        self._lines: dict[str, list[Line]] = {}

    def read(self, *sums: Sum[Any]) -> None:
        """Read those that are not known yet, in one statement."""
        wanted = list({one.key: one for one in sums if one.key not in self._lines}.values())
        if not wanted:
            return
        parts, values = [], []
        for number, one in enumerate(wanted):
            numbers = [f"n{place}" for place in range(one.numbers)]
            padded = [*numbers, *["NULL::numeric"] * (MOST_NUMBERS - one.numbers)]
            names = ", ".join(["key", "name", *numbers])
            parts.append(
                f"SELECT {number} AS part, key::text, name::text, {', '.join(padded)}"  # noqa: S608 - our own words
                f" FROM ({_NAMED.sub('%s', one.sql)}) AS one ({names})"
            )
            values += [one.values[name] for name in _NAMED.findall(one.sql)]
        found: list[list[Line]] = [[] for _ in wanted]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            for part, *line in cursor.fetchall():
                found[part].append(line)
        self._lines |= {one.key: lines for one, lines in zip(wanted, found, strict=True)}

    def of(self, one: Sum[Answer]) -> Answer:
        """Return what a sum came to; one that was not named ahead is a statement of its own."""
        self.read(one)
        return one.read(self._lines[one.key])
