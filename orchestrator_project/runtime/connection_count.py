"""How many connections to PostgreSQL a running system may have at once, reckoned from above."""

import os

from django.db import connection

from orchestrator_project.web.lanes import KEPT, THREADS

STREAM_THREADS = 32  # the event loop's own threads, at most; streams and probes look with them
OF_WEB = THREADS + sum(KEPT.values()) + STREAM_THREADS
# Beat, sweeper, listener, relay, consumer and notifier, the analyst, the terminal: two each; the evaluator, nine.
OF_OTHERS = 16 + 9
OF_COMMANDS = 12  # what a person runs beside it
IO_THREADS = 16  # orders and fetches under way at once, each with a connection
FEWEST_WORKERS, MOST_WORKERS = 2, 64  # by default; the embedded server has room for them


def needed(workers: int) -> int:
    """Return the most connections that ``manage.py up`` with so many workers, and commands beside it, may have."""
    return OF_WEB + OF_OTHERS + OF_COMMANDS + IO_THREADS + workers + 2  # the workers' parents, too


def default_workers() -> int:
    """Return how many worker processes there are where nobody says: the cores, as far as connections reach.

    What mostly waits is done by threads beside them (ADR 0056).
    """
    return min(max(os.cpu_count() or 1, FEWEST_WORKERS), MOST_WORKERS)


def offered() -> int:
    """Return how many connections the server has for an ordinary role."""
    names = ("max_connections", "reserved_connections", "superuser_reserved_connections")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting::int FROM pg_settings WHERE name = ANY(%s)", [list(names)])
        found = dict(cursor.fetchall())
    return int(found["max_connections"] - sum(found.get(name, 0) for name in names[1:]))
