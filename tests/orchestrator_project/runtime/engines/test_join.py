"""The embedded engines with real processes: joined, left, killed."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from orchestrator_project.runtime.engines import (
    EngineError,
    disk,
    ensure_running,
    joined_engines,
    prepare_home,
    valkey,
)
from orchestrator_project.runtime.engines.processes import is_alive
from orchestrator_project.runtime.engines.state import read_state
from orchestrator_project.runtime.ports import port_is_free
from tests.orchestrator_project.conftest import (
    EngineUser,
    running_engines,
    state_folder,
    state_pids,
)
from tests.paths import ROOT, quick_place
from tests.waiting import wait_until

pytestmark = pytest.mark.system

Join = Callable[[Path], EngineUser]


@pytest.fixture
def new_home() -> Iterator[Path]:
    """A state folder in which nothing was ever started."""
    with state_folder(quick_place()) as folder:
        yield folder


@pytest.fixture(scope="module")
def made_data() -> Iterator[Path]:
    """PostgreSQL's data as a first start leaves them."""
    with state_folder(quick_place()) as folder:
        with joined_engines(folder, need_redis=False):
            pass
        yield folder / "postgres"


@pytest.fixture
def home(new_home: Path, made_data: Path) -> Path:
    """A state folder whose PostgreSQL has run before: making its data takes longer than most tests."""
    subprocess.run(["cp", "-a", made_data, new_home], check=True)
    return new_home


def query(url: str | None, text: str) -> list[tuple[object, ...]]:
    """Run one statement, committed; return its rows."""
    assert url is not None
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def valkey_client(url: str | None) -> redis.Redis:
    assert url is not None
    return redis.Redis.from_url(url, decode_responses=True, socket_timeout=120)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), what=f"process {pid} is gone")


def test_the_last_user_stops_the_engines_and_data_and_addresses_stay(new_home: Path) -> None:
    """docs/lessons.md#lesson-22."""
    with joined_engines(new_home) as first:
        query(first.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        with valkey_client(first.redis_url) as client:
            client.set("kept", "yes")
    assert running_engines(new_home) == (0, 0)

    with joined_engines(new_home) as second:
        assert second == first
        assert query(second.database_url, "SELECT answer FROM kept") == [(42,)]
        with valkey_client(second.redis_url) as client:
            assert client.get("kept") == "yes"


def test_the_engines_keep_what_they_acknowledge_and_listen_to_nobody_else(home: Path) -> None:
    with joined_engines(home) as urls:
        (settings,) = query(
            urls.database_url, "SELECT current_setting('fsync'), current_setting('listen_addresses')"
        )
        with valkey_client(urls.redis_url) as client:
            options = client.config_get("*")
        listening = [
            c.laddr
            for pid in state_pids(home)
            for c in psutil.Process(pid).net_connections("inet")
            if c.laddr
        ]

    assert settings == ("on", "")
    assert (options["appendonly"], options["appendfsync"]) == ("yes", "everysec")
    assert options["maxmemory-policy"] == "noeviction"
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_secrets_are_private(home: Path) -> None:
    with joined_engines(home) as urls:
        state = read_state(home)
        assert state.valkey is not None
        arguments = " ".join(psutil.Process(state.valkey.pid).cmdline())

        assert state.valkey.password not in arguments
        for file in (home / "engines.json", home / "valkey" / "valkey.conf"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(host="127.0.0.1", port=state.valkey.port, retry=valkey.NO_RETRY).ping()
    assert urls.redis_url == state.valkey.url


def test_a_state_folder_that_we_make_is_private(home: Path) -> None:
    made = prepare_home(home / "new")

    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_engines_are_out_of_reach_of_the_terminal(home: Path) -> None:
    with joined_engines(home):
        for pid in state_pids(home):
            assert os.getsid(pid) != os.getsid(0)
            assert os.getpgid(pid) != os.getpgid(0)


def test_eight_commands_at_once_start_one_pair(new_home: Path, join: Join) -> None:
    users = [join(new_home) for _ in range(8)]

    urls = [user.urls() for user in users]
    pids = state_pids(new_home)
    for user in users[:-1]:
        user.leave()

    assert all(each == urls[0] for each in urls)
    assert state_pids(new_home) == pids
    assert running_engines(new_home)[1] == 1
    users[-1].leave()
    assert running_engines(new_home) == (0, 0)


def test_a_killed_user_does_not_keep_the_engines_alive(home: Path, join: Join) -> None:
    killed = join(home)
    killed.urls()
    stays = join(home)
    stays.urls()

    killed.kill()
    assert query(stays_url := read_state(home).postgres.url, "SELECT 1") == [(1,)], stays_url  # type: ignore[union-attr]  # just joined
    stays.leave()

    assert running_engines(home) == (0, 0)


def test_engines_left_by_a_killed_user_are_joined_by_the_next(home: Path, join: Join) -> None:
    only = join(home)
    only.urls()
    pids = state_pids(home)

    only.kill()
    with joined_engines(home):
        assert state_pids(home) == pids

    assert running_engines(home) == (0, 0)


def test_left_over_engines_can_be_stopped_by_command_and_used_ones_cannot(home: Path, join: Join) -> None:
    command = [sys.executable, "-m", "orchestrator_project.runtime.engines", str(home)]
    subprocess.run(command, cwd=ROOT, check=True)
    user = join(home)
    user.urls()
    subprocess.run(command, cwd=ROOT, check=True)
    used = running_engines(home)

    user.kill()
    subprocess.run(command, cwd=ROOT, check=True)

    assert min(used) > 0
    assert running_engines(home) == (0, 0)


def test_nested_joins_of_one_process_share_the_engines(home: Path) -> None:
    with joined_engines(home) as outer:
        with joined_engines(home) as inner:
            assert inner == outer
        assert query(outer.database_url, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("needs", [(True, False), (False, True)])
def test_only_the_engine_that_is_needed_is_started(home: Path, needs: tuple[bool, bool]) -> None:
    with joined_engines(home, need_database=needs[0], need_redis=needs[1]) as urls:
        running = running_engines(home)

        assert (urls.database_url is not None, urls.redis_url is not None) == needs
        assert (running[0] > 0, running[1] > 0) == needs


def test_nothing_is_restarted_while_all_is_well(home: Path) -> None:
    with joined_engines(home):
        assert ensure_running(home) == []


def test_a_killed_postgres_comes_back_at_its_address_with_every_commit(home: Path) -> None:
    with joined_engines(home) as urls:
        query(urls.database_url, "CREATE TABLE kept AS SELECT generate_series(1, 100) AS n")
        kill(state_pids(home)[0])

        assert ensure_running(home) == ["PostgreSQL"]

        assert query(urls.database_url, "SELECT count(*) FROM kept") == [(100,)]


def test_a_killed_valkey_comes_back_at_its_address(home: Path) -> None:
    with joined_engines(home) as urls:
        with valkey_client(urls.redis_url) as client:
            client.set("kept", "yes")
            client.execute_command("WAITAOF", "1", "0", "5000")
        kill(state_pids(home)[1])

        assert ensure_running(home) == ["Valkey"]

        with valkey_client(urls.redis_url) as client:
            assert client.get("kept") == "yes"


def test_a_join_recovers_engines_killed_while_nobody_watched(home: Path, join: Join) -> None:
    user = join(home)
    urls = user.urls()
    query(urls[0], "CREATE TABLE kept AS SELECT 1 AS n")
    for pid in state_pids(home):
        kill(pid)

    again = join(home)

    assert again.urls() == urls
    assert query(urls[0], "SELECT n FROM kept") == [(1,)]


def test_a_pid_file_that_names_somebody_else_is_no_obstacle(home: Path) -> None:
    with joined_engines(home):
        pid = state_pids(home)[0]
        pid_file = (home / "postgres" / "postmaster.pid").read_text()
    stale = pid_file.replace(str(pid), str(os.getpid()), 1)
    (home / "postgres" / "postmaster.pid").write_text(stale)
    (home / "postgres" / ".s.PGSQL.5432.lock").write_text(stale)

    with joined_engines(home) as urls:
        assert query(urls.database_url, "SELECT 1") == [(1,)]

    assert is_alive(os.getpid())


def test_a_lost_record_leads_to_fresh_engines_on_the_same_data(home: Path, join: Join) -> None:
    with joined_engines(home) as urls:
        query(urls.database_url, "CREATE TABLE kept AS SELECT 1 AS n")
        pids = state_pids(home)
        (home / "engines.json").write_text("{broken")

        with joined_engines(home) as again:
            assert query(again.database_url, "SELECT n FROM kept") == [(1,)]

        assert not any(is_alive(pid) for pid in pids)
    assert running_engines(home) == (0, 0)


def test_a_half_made_database_is_made_again(new_home: Path) -> None:
    (new_home / "postgres.new" / "base").mkdir(parents=True)

    with joined_engines(new_home, need_redis=False) as urls:
        assert query(urls.database_url, "SELECT current_database()") == [("orchestrator",)]


def test_a_path_too_long_for_a_socket_gets_a_private_folder(new_home: Path) -> None:
    deep = new_home / ("long-" * 20) / "it's here"
    with joined_engines(deep) as urls:
        pid = state_pids(deep)[0]
        folder = Path(read_state(deep).postgres.socket_folder)  # type: ignore[union-attr]  # just joined
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert query(urls.database_url, "SELECT 1") == [(1,)]
        kill(pid)
        assert ensure_running(deep) == ["PostgreSQL"]
        assert query(urls.database_url, "SELECT 1") == [(1,)]

    folder.rmdir()  # as a cleaned /tmp would
    with joined_engines(deep) as again:
        assert again == urls
        assert query(urls.database_url, "SELECT 1") == [(1,)]
    folder.rmdir()
    folder.symlink_to(new_home)
    with pytest.raises(EngineError, match="belongs to somebody else"), joined_engines(deep):
        pass
    folder.unlink()


def test_two_homes_at_once_do_not_meet(new_home: Path) -> None:
    with joined_engines(new_home / "a") as first, joined_engines(new_home / "b") as second:
        query(first.database_url, "CREATE TABLE mine AS SELECT 1 AS n")

        assert query(second.database_url, "SELECT to_regclass('mine')") == [(None,)]
        assert first.redis_url != second.redis_url


def test_a_taken_valkey_port_is_replaced_at_the_next_start(home: Path) -> None:
    with joined_engines(home) as before:
        port = read_state(home).valkey.port  # type: ignore[union-attr]  # just joined

    with socket.create_server(("127.0.0.1", port)), joined_engines(home) as after:
        assert after.redis_url != before.redis_url
        with valkey_client(after.redis_url) as client:
            assert client.ping()


def test_a_port_that_running_programs_know_is_not_replaced(home: Path) -> None:
    with joined_engines(home):
        pid, port = state_pids(home)[1], read_state(home).valkey.port  # type: ignore[union-attr]  # just joined
        kill(pid)
        wait_until(lambda: port_is_free("127.0.0.1", port), what="the port is free")
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(EngineError, match=f"its port {port} was taken"),
        ):
            ensure_running(home)


def test_a_broken_valkey_file_is_put_aside_with_a_word(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with joined_engines(home) as urls, valkey_client(urls.redis_url) as client:
        for number in range(50):
            client.set(f"key-{number}", "x" * 100)
    (part,) = (home / "valkey" / "appendonlydir").glob("*.incr.aof")
    content = part.read_bytes()
    part.write_bytes(content[:500] + b"\0" * 1000 + content[1500:])

    with joined_engines(home) as urls, valkey_client(urls.redis_url) as client:
        assert client.dbsize() == 0

    assert "started empty" in caplog.text
    assert len(list(home.glob("valkey.broken-*"))) == 1


def test_the_last_user_may_leave_with_connections_open(home: Path) -> None:
    with joined_engines(home, need_redis=False) as urls:
        assert urls.database_url is not None
        connection = psycopg2.connect(urls.database_url)
        connection.cursor().execute("SELECT 1")

    assert running_engines(home) == (0, 0)
    connection.close()


def test_a_state_folder_that_is_a_file_is_said_in_one_sentence(home: Path) -> None:
    file = home / "file"
    file.touch()

    with pytest.raises(EngineError, match=r"cannot be used .* set ORCHESTRATOR_HOME"), joined_engines(file):
        pass


def test_a_disk_without_room_is_said_in_one_sentence(home: Path) -> None:
    with pytest.raises(EngineError, match=r"is full .* free some space, or set ORCHESTRATOR_HOME"):
        disk.require_space(home, needed_bytes=2**62)


def test_an_engine_that_ends_at_once_says_why(home: Path) -> None:
    with joined_engines(home, need_redis=False):
        pass
    with (home / "postgres" / "postgresql.conf").open("a") as file:
        file.write("\nno_such_setting = 1\n")

    with (
        pytest.raises(EngineError, match=r"ended while it started: .*FATAL: .*\(log: .*postgres.log\)"),
        joined_engines(home, need_redis=False),
    ):
        pass
    assert running_engines(home) == (0, 0)
