"""The application is an ordinary role of the database, and when all connections are taken the switch gets through."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg2
import pytest
from django.contrib.auth.models import User

from orchestrator_project.db import connection_count
from orchestrator_project.engines import joined_engines, postgres, roles
from orchestrator_project.ports import port_is_free
from orchestrator_project.prepare import seed
from risk.models import KillSwitch
from tests.e2e.system import environment, manage
from tests.platform.conftest import ROOT
from tests.waiting import wait_until
from trading.services.tokens import issue_token

MOST_TRIES = 400


def rows(url: str | None, text: str, **options: str) -> list[tuple[object, ...]]:
    """Run one statement, committed; return its rows."""
    assert url is not None
    connection = psycopg2.connect(url, **options)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def test_application_is_no_superuser_and_owns_its_database(home: Path) -> None:
    with joined_engines(home, need_redis=False) as urls:
        facts = rows(
            urls.database_url,
            "SELECT current_user, rolsuper, rolcreatedb, (SELECT datdba::regrole::text FROM pg_database"
            " WHERE datname = current_database()) FROM pg_roles WHERE rolname = current_user",
        )
        of_reserve = rows(
            urls.database_url, "SELECT session_user, current_user", user=urls.reserve_user or ""
        )

    assert facts == [("orchestrator", False, True, "orchestrator")]
    assert of_reserve == [("orchestrator_reserve", "orchestrator")], "what it makes is the application's, too"


def test_data_of_an_older_version_is_handed_over(home: Path) -> None:
    with joined_engines(home, need_redis=False) as urls:
        rows(
            urls.database_url,
            "RESET ROLE; CREATE TABLE kept (n serial PRIMARY KEY); INSERT INTO kept DEFAULT VALUES;"
            ' CREATE SEQUENCE counted; CREATE VIEW seen AS SELECT n FROM kept; CREATE TABLE "It\'s Odd" (n int);'
            " CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';"
            " ALTER DATABASE orchestrator OWNER TO postgres",
            user=roles.SUPERUSER,
        )
        before = owners(urls.database_url)

    with joined_engines(home, need_redis=False) as urls:
        after = owners(urls.database_url)
        rows(
            urls.database_url,
            "ALTER TABLE kept ADD COLUMN m int; INSERT INTO kept DEFAULT VALUES; DROP VIEW seen",
        )
        count = rows(urls.database_url, "SELECT count(*) FROM kept")

    assert set(before) == {"postgres"}
    assert set(after) == {"orchestrator"}
    assert len(after) == len(before) == 7
    assert count == [(2,)]


def owners(url: str | None) -> list[object]:
    """Return who owns the database and everything in it."""
    found = rows(
        url,
        "SELECT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'S', 'v') UNION ALL SELECT proowner::regrole::text FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace UNION ALL SELECT datdba::regrole::text FROM pg_database"
        " WHERE datname = 'orchestrator'",
    )
    return [owner for (owner,) in found]


def test_a_whole_system_finds_room_on_a_large_machine(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for cores in (2, 48, 192):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        most = connection_count.needed(connection_count.default_workers())
        assert (
            most <= postgres.MAX_CONNECTIONS - postgres.RESERVED_CONNECTIONS - postgres.SUPERUSER_CONNECTIONS
        )


@pytest.mark.django_db(transaction=True)
class TestFullServer:
    """Every connection that an ordinary role may have is taken, by others of the same role."""

    def test_switch_is_engaged_by_command_and_says_how_it_stands(self, full: None, reserve: str) -> None:
        other = manage("mode")
        engaged = manage("kill_switch", "engage", "--reason", "no room", "--json")
        status = manage("kill_switch", "status")

        assert other.returncode != 0
        assert "connection slots are reserved" in other.stderr
        assert '"engaged": true' in engaged.stdout, engaged.stderr
        assert "engaged: True" in status.stdout

    def test_switch_is_engaged_by_rest_with_its_token(self, web: "Web", full: None, reserve: str) -> None:
        refused = web.get("/api/mode")
        engaged = web.post("/api/kill-switch", {"action": "engage", "reason": "no room"})
        stranger = web.post("/api/kill-switch", {"action": "release", "reason": "x"}, token="0" * 40)

        assert refused.status_code == 503
        assert engaged.status_code == 200, engaged.text
        assert stranger.status_code == 401

    def test_reserve_is_given_back_after_each_request(self, web: "Web", full: None, reserve: str) -> None:
        for _ in range(3 * postgres.RESERVED_CONNECTIONS):
            assert web.get("/api/kill-switch").status_code == 200

        assert web.get("/api/mode").status_code == 503

    def test_without_a_reserve_the_command_says_so_in_one_line(
        self, full: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_RESERVE_USER", "")

        engaged = manage("kill_switch", "engage")

        assert engaged.returncode == 1
        (line,) = engaged.stderr.strip().splitlines()
        assert "connection slots are reserved" in line
        assert "manage.py kill_switch status" in line
        assert not KillSwitch.objects.exists()


class Web:
    """The web process on the test's database, with a person's token."""

    def __init__(self, port: int, token: str) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self._token = token

    def get(self, path: str) -> httpx.Response:
        return self._client.get(path, headers={"Authorization": f"Token {self._token}"})

    def post(self, path: str, body: dict[str, str], *, token: str = "") -> httpx.Response:
        return self._client.post(path, json=body, headers={"Authorization": f"Token {token or self._token}"})


@pytest.fixture
def reserve() -> str:
    """The reserve's role; a server that was given from outside may have none."""
    user = os.environ.get("DATABASE_RESERVE_USER")
    if not user:
        pytest.skip("this server has no reserve: DATABASE_RESERVE_USER is not set")
    return user


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    """A web process that has no connection of its own yet."""
    seed()
    token = issue_token(user=User.objects.get(username="admin")).text
    port = next(port for port in range(8700, 8800) if port_is_free("127.0.0.1", port))
    command = [sys.executable, "-m", "uvicorn", "orchestrator_project.asgi:application", "--port", str(port)]
    with (tmp_path / "web.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=log)
    web = Web(port, token)

    def answers() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return web._client.get("/health/live").status_code == 200
        return False

    wait_until(answers, seconds=90, what="the web process")
    yield web
    process.kill()
    process.wait(30)


@pytest.fixture
def full(transactional_db: None) -> Iterator[None]:
    """Take every connection that our role gets."""
    seed()
    held = []
    try:
        with contextlib.suppress(psycopg2.OperationalError):
            for _ in range(MOST_TRIES):
                held.append(psycopg2.connect(environment()["DATABASE_URL"]))
        assert 90 < len(held) < MOST_TRIES
        yield
    finally:
        for connection in held:
            connection.close()
