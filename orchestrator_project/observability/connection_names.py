"""Names each database connection after the process that opened it, so that the holder of a lock can be named."""

import os
import sys
from typing import Any

from django.db.backends.signals import connection_created

from orchestrator_project.observability.process_name import process_name

LONGEST = 63  # bytes PostgreSQL keeps


def name_connections() -> None:
    """Have connections that are opened from now on say whose they are; a forked child says its own number."""
    connection_created.connect(_name, dispatch_uid="connection_name")


def connection_name() -> str:
    """Return ``orchestrator <process> <pid>``."""
    return f"orchestrator {process_name(sys.argv)} {os.getpid()}"[:LONGEST]


def _name(*, connection: Any, **_: Any) -> None:
    # By the driver's cursor, not by one of Django's: it is no statement of anybody's work, to be counted or traced.
    with connection.connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", [connection_name()])
