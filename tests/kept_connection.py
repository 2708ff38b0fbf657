"""Keep the connection after a test in real transactions, as new as it was: PostgreSQL starts no process for the next.

Django closes it. A new one knows no table yet: its process looks each of them, with its indexes and checks, up anew.
"""

import asyncio
from typing import Any

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import TransactionTestCase

# As DISCARD ALL, but for what is prepared: the product remembers by connection what it has prepared there.
FORGET = """
    RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP
"""


def install() -> None:
    """Let Django's ``TransactionTestCase``, and with it pytest-django, keep what can be kept."""
    TransactionTestCase._should_reload_connections = _renew_all  # type: ignore[attr-defined]


def renewed(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the connection can be kept; its session then has nothing more of who had it before."""
    if _is_of_loop() or not _is_at_rest(connection) or not _is_as_configured(connection):
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute(FORGET)
        connection.init_connection_state()
        connection_created.send(sender=connection.__class__, connection=connection)
    except DatabaseError:  # its process was ended
        return False
    return True


def _is_of_loop() -> bool:
    """Whether an event loop runs, as Playwright's: the connection is its own then, and nobody closes it later."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_at_rest(connection: BaseDatabaseWrapper) -> bool:
    """Whether it is open, outside of transactions, and no statement failed since Django last looked."""
    is_open = connection.connection is not None and not connection.connection.closed
    is_inside = connection.in_atomic_block or bool(connection.run_on_commit)
    return is_open and not is_inside and connection.get_autocommit() and not connection.errors_occurred


def _is_as_configured(connection: Any) -> bool:
    """Whether it was opened with the settings that are in force now, and not as the reserve."""
    opened, wanted = connection.connection.get_dsn_parameters(), connection.get_connection_params()
    same = all(opened[name] == str(wanted[name]) for name in opened.keys() & wanted.keys())
    return same and not connection.is_of_reserve


def _renew_all(case: TransactionTestCase) -> bool:
    for connection in connections.all(initialized_only=True):
        if not renewed(connection):
            connection.close()
    return False  # what is to be closed is closed
