"""How many statements PostgreSQL is asked while a cycle runs, counted by its own log, by process.

Begin and commit are not counted; neither are this program's own looks, nor what is asked before the cycle's start and
after its end. Several statements in one message count once. It costs time, so the cycle in which it is on is not one of
those that are timed.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.cycles import superuser

_LINE = re.compile(
    r"^<<(?P<who>[^>|]*)\|(?P<at>[\d.]+)>> LOG:  (?:statement|execute [^:]*): \s*(?P<text>.*(?:\n(?!<<).*)*)",
    re.MULTILINE,
)
_NOT_COUNTED = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
_VALUE = re.compile(r"'(?:[^']|'')*'|(?<![\w\"])-?\d+(?:\.\d+)?\b")
_VALUES = re.compile(r"\(\?[^()?]*(?:\?[^()?]*)+\)(?:, \(\?[^()?]*(?:\?[^()?]*)+\))*")
OWN = "benchmark"
TOLD_WITHIN = timedelta(milliseconds=50)  # a row says when it ended, and is written a moment later


@dataclass(frozen=True, slots=True)
class Asked:
    """One message to PostgreSQL: by which process, when, and its text."""

    process: str
    at: datetime
    text: str

    @property
    def kind(self) -> str:
        """The text on one line without its values: what the same code asks again is of the same kind."""
        return _VALUES.sub("(…)", _VALUE.sub("?", " ".join(self.text.split())))


@dataclass(slots=True)
class Counted:
    """What was asked while a block ran, in the order of the log; it is there after the block."""

    asked: list[Asked] = field(default_factory=list)

    def between(self, began: datetime, ended: datetime) -> list[Asked]:
        """Return what was asked from one moment to another."""
        return [one for one in self.asked if began <= one.at <= ended]


@contextmanager
def counted(home: Path) -> Iterator[Counted]:
    """Count what every process asks while the block runs."""
    log = home / "logs" / "postgres.log"
    found = Counted()
    _set("log_line_prefix = '<<%a|%n>> '", "log_statement = 'all'")
    begin = log.stat().st_size
    try:
        yield found
    finally:
        _set("log_statement = 'none'")
        with log.open("rb") as file:
            file.seek(begin)
            text = file.read().decode(errors="replace")
        found.asked += asked_in(text)


def asked_in(log: str) -> list[Asked]:
    """Return the statements of a log that count."""
    return [
        Asked(_process(line["who"]), datetime.fromtimestamp(float(line["at"]), UTC), line["text"].strip())
        for line in _LINE.finditer(log)
        if line["who"] != OWN and line["text"].strip().rstrip(";").upper() not in _NOT_COUNTED
    ]


def by_process(asked: Sequence[Asked]) -> dict[str, int]:
    """Return how many each process has asked, the most first."""
    return dict(Counter(one.process for one in asked).most_common())


def listed(asked: Sequence[Asked], began: datetime) -> str:
    """Return a text for who wants to know which: how many of each kind, and all in their order, in seconds."""
    kinds = Counter((one.process, one.kind) for one in asked)
    lines = [f"{len(asked)} statements, by process and kind:", ""]
    lines += [f"{count:5} {process:10} {kind}" for (process, kind), count in kinds.most_common()]
    lines += ["", "all, in seconds after the cycle's start:", ""]
    for one in sorted(asked, key=lambda one: one.at):
        seconds = (one.at - began).total_seconds()
        lines.append(f"{seconds:8.3f} {one.process:10} {' '.join(one.text.split())}")
    return "\n".join(lines) + "\n"


def _process(connection: str) -> str:
    """Return a process's name without its number."""
    return re.sub(r"^orchestrator (.*?) ?\d*$", r"\1", connection) or "?"


def name_own_connection() -> None:
    """Let this program's statements be told from the system's."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", [OWN])


def _set(*assignments: str) -> None:
    with superuser.session(database="postgres") as cursor:
        for assignment in assignments:
            cursor.execute(f"ALTER SYSTEM SET {assignment}")
        cursor.execute("SELECT pg_reload_conf(), pg_sleep(0.3)")
