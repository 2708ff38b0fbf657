"""How many statements PostgreSQL is asked while a cycle runs, counted by its own log, by process.

Begin and commit are not counted; neither are this program's own looks. Several statements in one message count once.
It costs time, so the cycle in which it is on is not one of those that are timed.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cycles import superuser

_LINE = re.compile(r"^<<(?P<who>[^>]*)>> LOG:  (?:statement|execute [^:]*): \s*(?P<text>\w+)", re.MULTILINE)
_NOT_COUNTED = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})
OWN = "benchmark"


@contextmanager
def counted(home: Path) -> Iterator[Counter[str]]:
    """Count what every process asks while the block runs; the counts are there after it."""
    log = home / "logs" / "postgres.log"
    found: Counter[str] = Counter()
    _set("log_line_prefix = '<<%a>> '", "log_statement = 'all'")
    begin = log.stat().st_size
    try:
        yield found
    finally:
        _set("log_statement = 'none'")
        with log.open("rb") as file:
            file.seek(begin)
            text = file.read().decode(errors="replace")
        found.update(counts_of(text))


def counts_of(log: str) -> Counter[str]:
    """Return the statements of a log by process."""
    return Counter(
        _process(line["who"])
        for line in _LINE.finditer(log)
        if line["text"].upper() not in _NOT_COUNTED and line["who"] != OWN
    )


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
