"""Empty the database after a test in real transactions: only the tables that the test has written to.

Django empties all tables, which makes some two hundred files anew, and then writes content types and permissions
again: ten times the work, for tests that write to five tables.
"""

from collections.abc import Iterable

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.test import TransactionTestCase

# What `migrate` writes and no test changes.
KEPT = frozenset(model._meta.db_table for model in (ContentType, Permission, MigrationRecorder.Migration))
MANY_ROWS = 500  # as many deleted ones make every later look at the table slow


def install() -> None:
    """Let Django's ``TransactionTestCase``, and with it pytest-django, empty the database in this way."""
    TransactionTestCase._fixture_teardown = _empty_all  # type: ignore[method-assign]


def empty(connection: BaseDatabaseWrapper) -> list[str]:
    """Delete all rows of all of Django's tables but ``KEPT``; return the tables that had any.

    Sequences go on, as they do after Django's own flush.
    """
    written, large = written_tables(connection), []
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        with transaction.atomic(using=connection.alias):  # foreign keys are looked at when it ends
            for name in written:
                cursor.execute(f"DELETE FROM {quote(name)}")  # noqa: S608 - our own tables
                if cursor.rowcount > MANY_ROWS:
                    large.append(name)
        for name in large:
            cursor.execute(f"VACUUM {quote(name)}")
    return written


def written_tables(connection: BaseDatabaseWrapper, *, among: Iterable[str] | None = None) -> list[str]:
    """Return the names of Django's tables that have rows, without ``KEPT``; or of the tables named."""
    names = among
    if names is None:
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        names = [name for name in tables if name not in KEPT]
    asked = (
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM {connection.ops.quote_name(name)})"  # noqa: S608 - our own tables
        for name in names
    )
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asked))
        return [name for (name,) in cursor.fetchall()]


def _empty_all(case: TransactionTestCase) -> None:
    for alias in case._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        empty(connections[alias])
