"""PostgreSQL advisory locks of the risk room.

Transaction locks guard the book; the switch uses session locks, because a submit holds its shared
lock around a request to the broker and must not keep a transaction open that long.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

BOOK_LOCK = 0x7261_0001
SWITCH_LOCK = 0x7261_0002


def lock_book() -> None:
    """Wait for the account's risk book and hold it until the surrounding transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [BOOK_LOCK])


@contextmanager
def switch_shared() -> Iterator[None]:
    """Hold the switch's shared lock: an engage waits until we let go.

    The lock dies with the connection, so a killed process never blocks the switch.
    """
    with _session_lock("pg_advisory_lock_shared", "pg_advisory_unlock_shared"):
        yield


@contextmanager
def switch_exclusive() -> Iterator[None]:
    """Wait until every submit that holds the shared lock has ended, and keep new ones out."""
    with _session_lock("pg_advisory_lock", "pg_advisory_unlock"):
        yield


@contextmanager
def _session_lock(take: str, give: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {take}(%s)", [SWITCH_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {give}(%s)", [SWITCH_LOCK])
