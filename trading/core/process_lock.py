"""Let only one process of a kind work: an advisory lock of its database session, which ends with the process."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, InterfaceError, connection

from risk.services.locks import PROCESS_LOCKS


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Yield whether this process is now the one; it stays so while its database connection lives.

    A database error in the block means that it may no longer be the one: leave the block.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [PROCESS_LOCKS, name])
        is_one = bool(cursor.fetchone()[0])
    try:
        yield is_one
    finally:
        if is_one:
            with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [PROCESS_LOCKS, name])


@contextmanager
def marked(name: str) -> Iterator[None]:
    """Let ``only_one`` of the same name elsewhere see that this goes on; waits for nobody, several may at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock_shared(%s, hashtext(%s))", [PROCESS_LOCKS, name])
        is_marked = bool(cursor.fetchone()[0])
    try:
        yield
    finally:
        if is_marked:
            with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock_shared(%s, hashtext(%s))", [PROCESS_LOCKS, name])
