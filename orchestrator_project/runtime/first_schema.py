"""The tables of a new database in one piece, as the migrations make them one after the other.

Running some seventy migrations costs 2.5 s of a core, nearly all of it for Django's picture of the tables between two
of them. A database without any table is given the tables as they were when the file was last written (``python -m
orchestrator_project.runtime.first_schema``), with every migration until then recorded; ``migrate`` then adds what came
later. A test compares both ways.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.db import connection, transaction

from orchestrator_project.runtime.engines import joined_engines, postgres

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
FILE = Path(__file__).with_name("first_schema.sql")
OLDEST_SERVER = 160_000  # what the embedded server's pg_dump writes, and what older ones take
OPTIONS = (
    "--no-owner",
    "--no-privileges",
    "--inserts",
    "--rows-per-insert=1000",
    "--schema=public",
    "--no-comments",
)
PLUMBING = ("--", "SET ", "SELECT pg_catalog.set_config", "CREATE SCHEMA public", "\\")
MOMENT = re.compile(r"'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+\d\d'")
TABLES = (
    "SELECT current_schema(), count(*), current_setting('server_version_num')::int FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace"
)
HEADER = "-- Made by `python -m orchestrator_project.runtime.first_schema`.\n"


def lay() -> bool:
    """Give a database without any table all of them at once; return whether it was one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TABLES)
        schema, count, version = cursor.fetchone()
        if count or schema != "public" or version < OLDEST_SERVER:
            return False
        cursor.execute(FILE.read_text())
    return True


def made_by_migrations() -> str:
    """Return the file's text as it should be: a new server's tables, made by the migrations, which takes a while.

    Raises:
        EngineError: no server can run here.
        CalledProcessError: the migrations fail, or the tables cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="schema-", dir="/tmp") as folder:
        home = Path(folder) / "home"
        with joined_engines(home, need_redis=False) as urls:
            environment = os.environ | {
                "ORCHESTRATOR_HOME": str(home),
                "DATABASE_URL": str(urls.database_url),
            }
            command = [sys.executable, str(MANAGE), "migrate", "--skip-checks", "-v", "0"]
            subprocess.run(command, env=environment, check=True)  # noqa: S603  (our own command)
            return dumped(str(urls.database_url))


def dumped(url: str) -> str:
    """Return the tables and rows of a database as SQL that makes them anew, each moment in it as ``now()``.

    Raises:
        CalledProcessError: ``pg_dump`` cannot read it.
    """
    command = [str(postgres.program("pg_dump")), *OPTIONS, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  (the embedded server's)
    return HEADER + "\n".join(_kept(done.stdout)) + "\n"


def _kept(dump: str) -> Iterator[str]:
    for line in dump.splitlines():
        if line.strip() and not line.startswith(PLUMBING):
            yield MOMENT.sub("now()", line) if line.startswith(("INSERT", "\t(")) else line


if __name__ == "__main__":
    FILE.write_text(made_by_migrations())
