"""The rows of a first start, written as they were written before: hundreds of tests of pages begin with them.

The product's own ``seed`` asks and writes one row after the other, some eighty statements. What it has written
in this process for the first time is kept here and written again in one, with the present moment as its time.
"""

from django.db import connection, transaction
from django.utils import timezone

from orchestrator_project.runtime.prepare import seed
from tests import emptying

COLUMNS = """
    SELECT column_name, data_type = 'timestamp with time zone' FROM information_schema.columns
     WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER'
"""
LAID = frozenset({"metric_totals"})  # one row by a migration, gone after a test in real transactions
_statements: dict[str, str] = {}  # by table
_rows: dict[str, str] = {}  # by table, as JSON


def seed_again() -> None:
    """Leave what ``seed`` leaves; where rows of its tables are there already, ``seed`` itself decides."""
    with transaction.atomic():
        if not _rows:
            is_first = not _written()
            seed()
            if is_first:
                _keep()
        elif emptying.written_tables(connection, among=_rows):
            seed()
        else:
            with connection.cursor() as cursor:
                texts = {f"rows_{table}": rows for table, rows in _rows.items()}
                cursor.execute(";".join(_statements.values()), {"now": timezone.now(), **texts})


def _written() -> list[str]:
    return [table for table in emptying.written_tables(connection) if table not in LAID]


def _keep() -> None:
    with connection.cursor() as cursor:
        for table in _written():
            name = connection.ops.quote_name(table)
            cursor.execute(COLUMNS, [table])
            columns = cursor.fetchall()
            names = ", ".join(f'"{column}"' for column, _ in columns)
            values = ", ".join(
                f'CASE WHEN r."{column}" IS NOT NULL THEN %(now)s END' if is_time else f'r."{column}"'
                for column, is_time in columns
            )
            cursor.execute(f"SELECT jsonb_agg(to_jsonb(t))::text FROM {name} t")  # noqa: S608 - our own tables
            (_rows[table],) = cursor.fetchone()
            _statements[table] = (
                f"INSERT INTO {name} ({names}) SELECT {values}"  # noqa: S608 - our own tables
                f" FROM jsonb_populate_recordset(NULL::{name}, %(rows_{table})s::jsonb) r"
            )
