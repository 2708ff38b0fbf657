"""What every database session of ours keeps to, so that a process that is stopped, or gone, cannot keep the others.

Whoever needs longer says so where it does (``unlimited_statements``): migrations, and nobody else.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from django.db import connection

SERVER_SIDE = MappingProxyType(
    {
        "lock_timeout": "15s",  # a holder that was stopped loses its session before
        "statement_timeout": "60s",  # the longest of ours, a chunk of old rows deleted, takes 1 s
        "idle_in_transaction_session_timeout": "12s",  # nothing of ours asks anybody outside within a transaction
        "plan_cache_mode": "force_generic_plan",  # see trading/core/statements/prepared_statements.py
        "client_connection_check_interval": "2s",  # a dead client's statement ends, and with it its place in a queue
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
)
CLIENT_SIDE = MappingProxyType(
    {
        "connect_timeout": 5,
        "application_name": "orchestrator",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,  # milliseconds
    }
)


def session_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a connection: ours, and what DATABASE_URL says, which counts where both speak."""
    ours = " ".join(f"-c {name}={value}" for name, value in SERVER_SIDE.items())
    options = f"{ours} {given.get('options', '')}".strip()
    return {**CLIENT_SIDE, **given, "options": options}


@contextmanager
def unlimited_statements() -> Iterator[None]:
    """Let statements of this block take their time, and wait a minute for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET lock_timeout = '60s'")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")
            cursor.execute("RESET lock_timeout")
