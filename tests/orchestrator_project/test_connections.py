"""The application is an ordinary role of the database, and when all connections are taken the switch gets through."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg2
import pytest

from orchestrator_project.runtime import connection_count
from orchestrator_project.runtime.engines import joined_engines, postgres, roles, valkey
from tests import forked
from tests.ports import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.system

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


@dataclass(frozen=True, slots=True)
class Crowded:
    """A server of its own, of which every connection that an ordinary role may have can be taken."""

    url: str
    environment: dict[str, str]

    def manage(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a management command on it."""
        return forked.run(
            [sys.executable, "manage.py", *arguments], env=self.environment | variables, seconds=300
        )

    @contextmanager
    def full(self) -> Iterator[None]:
        """Take every connection that our role gets."""
        held = []
        try:
            with contextlib.suppress(psycopg2.OperationalError):
                for _ in range(MOST_TRIES):
                    held.append(psycopg2.connect(self.url))
            assert 90 < len(held) < MOST_TRIES
            yield
        finally:
            for connection in held:
                connection.close()


@pytest.fixture(scope="module")
def crowded() -> Iterator[Crowded]:
    """The other tests' server must not be without a connection: this one is nobody else's."""
    home = Path(tempfile.mkdtemp(prefix="home-", dir="/tmp")).resolve()
    try:
        with joined_engines(home) as urls:
            assert urls.database_url is not None
            assert urls.reserve_user is not None
            environment = {
                **os.environ,
                "ORCHESTRATOR_HOME": str(home),
                "DATABASE_URL": urls.database_url,
                "DATABASE_RESERVE_USER": urls.reserve_user,
                "REDIS_URL": str(urls.redis_url),
                "PYTHONUNBUFFERED": "1",
            }
            server = Crowded(urls.database_url, environment)
            prepared = server.manage("prepare")
            assert prepared.returncode == 0, prepared.stderr
            yield server
    finally:
        valkey.stop(home)
        postgres.stop(home)
        shutil.rmtree(home)


def engagements(server: Crowded) -> object:
    return rows(server.url, "SELECT count(*) FROM kill_switch WHERE released_at IS NULL")[0][0]


@pytest.fixture(autouse=True)
def released(request: pytest.FixtureRequest) -> Iterator[None]:
    """Release the switch of the crowded server after a test of it."""
    yield
    if "crowded" in request.fixturenames:
        request.getfixturevalue("crowded").manage("kill_switch", "release", "--reason", "the test is over")


def test_switch_is_engaged_by_command_and_says_how_it_stands(crowded: Crowded) -> None:
    with crowded.full():
        other = crowded.manage("mode")
        engaged = crowded.manage("kill_switch", "engage", "--reason", "no room", "--json")
        status = crowded.manage("kill_switch", "status")

    assert other.returncode != 0
    assert "connection slots are reserved" in other.stderr
    assert '"engaged": true' in engaged.stdout, engaged.stderr
    assert "engaged: yes" in status.stdout


def test_without_a_reserve_the_command_says_so_in_one_line(crowded: Crowded) -> None:
    with crowded.full():
        engaged = crowded.manage("kill_switch", "engage", DATABASE_RESERVE_USER="")

    assert engaged.returncode == 1
    (line,) = engaged.stderr.strip().splitlines()
    assert "connection slots are reserved" in line
    assert "manage.py kill_switch status" in line
    assert engagements(crowded) == 0


def test_switch_is_engaged_by_rest_with_its_token(crowded: Crowded, web: "Web") -> None:
    with crowded.full():
        refused = web.get("/api/mode")
        engaged = web.post("/api/kill-switch", {"action": "engage", "reason": "no room"})
        stranger = web.post("/api/kill-switch", {"action": "release", "reason": "x"}, token="0" * 40)

    assert refused.status_code == 503
    assert engaged.status_code == 200, engaged.text
    assert stranger.status_code == 401


def test_reserve_is_given_back_after_each_request(crowded: Crowded, web: "Web") -> None:
    with crowded.full():
        for _ in range(3 * postgres.RESERVED_CONNECTIONS):
            assert web.get("/api/kill-switch").status_code == 200

        assert web.get("/api/mode").status_code == 503


class Web:
    """The web process on the crowded server, with a person's token."""

    def __init__(self, port: int, token: str) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self._token = token

    def get(self, path: str) -> httpx.Response:
        return self._client.get(path, headers={"Authorization": f"Token {self._token}"})

    def post(self, path: str, body: dict[str, str], *, token: str = "") -> httpx.Response:
        return self._client.post(path, json=body, headers={"Authorization": f"Token {token or self._token}"})

    def answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self._client.get("/health/live").status_code == 200
        return False


@pytest.fixture
def web(crowded: Crowded, tmp_path: Path) -> Iterator[Web]:
    """A web process that has no connection of its own yet."""
    token = crowded.manage("api_token", "admin").stdout.strip()
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "orchestrator_project.asgi:application", "--port", str(port)]
    process = forked.Process(command, env=crowded.environment, log=tmp_path / "web.log")
    web = Web(port, token)
    try:
        wait_until(web.answers, seconds=180, what="the web process")
        yield web
    finally:
        process.kill()
        process.wait(120)
