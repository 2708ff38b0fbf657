"""A new database is the same, made in one piece or by the migrations one after the other."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db.migrations.loader import MigrationLoader

from orchestrator_project.runtime import first_schema
from orchestrator_project.runtime.engines import joined_engines
from tests.paths import ROOT

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
RECORDED = re.compile(r"^\t\(\d+, '(\w+)', '(\d{4}_\w+)', now\(\)\)", re.MULTILINE)
# Both ways in one database, one after the other, so that one server suffices.
BOTH_WAYS = """
import sys; from pathlib import Path
import django; django.setup()
from django.core.management import call_command
from django.db import connection
from orchestrator_project.runtime import first_schema

url, one_after_the_other, in_one_piece = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
call_command("migrate", verbosity=0)
assert not first_schema.lay(), "only an empty database is laid"
one_after_the_other.write_text(first_schema.dumped(url))
with connection.cursor() as cursor:
    cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
assert first_schema.lay()
call_command("migrate", verbosity=0)
in_one_piece.write_text(first_schema.dumped(url))
"""


@pytest.fixture
def url() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(prefix="schema-", dir="/tmp") as folder,
        joined_engines(Path(folder) / "home", need_redis=False) as urls,
    ):
        yield str(urls.database_url)


def test_both_ways_make_the_same_tables(url: str, tmp_path: Path) -> None:
    one_after_the_other, in_one_piece = tmp_path / "migrated.sql", tmp_path / "laid.sql"

    subprocess.run(
        [sys.executable, "-c", BOTH_WAYS, url, one_after_the_other, in_one_piece],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "orchestrator_project.settings"},
        check=True,
    )

    assert _lines(in_one_piece) == _lines(one_after_the_other)


def test_every_migration_that_it_records_is_there() -> None:
    known = MigrationLoader(None).graph.nodes.keys()

    recorded = RECORDED.findall(first_schema.FILE.read_text())

    assert len(recorded) > 60
    assert set(recorded) <= known


def _lines(file: Path) -> list[str]:
    """Return a dump's lines; rows without their numbers, which go by the order in which migrations were run.

    Expressions without casts to text and without brackets: the server writes what it has read from a dump with others.
    """
    text = re.sub(r"^\t\(\d+, ", "\t(", file.read_text(), flags=re.MULTILINE)
    text = re.sub(r"(pg_catalog\.setval\('[^']+'), \d+", r"\1", text)
    text = re.sub(r"::(character varying|text)(\[\])?|[()]", "", text)
    return sorted(line.rstrip(",;") for line in text.splitlines())
