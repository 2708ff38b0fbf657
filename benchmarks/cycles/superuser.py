"""A session of the engine's own role: what a measurement sets, the application may not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2


@contextmanager
def session(*, database: str | None = None) -> Iterator[Any]:
    """Yield a cursor that commits each statement.

    Args:
        database: None: the application's.
    """
    from django.db import connection

    from orchestrator_project.runtime.engines.roles import SUPERUSER

    known = connection.settings_dict
    host = known["OPTIONS"].get("host") or known["HOST"]
    opened = psycopg2.connect(host=host, port=5432, user=SUPERUSER, dbname=database or known["NAME"])
    opened.autocommit = True
    try:
        with opened.cursor() as cursor:
            yield cursor
    finally:
        opened.close()
