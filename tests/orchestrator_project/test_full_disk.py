"""A disk that is really full: a small file system of the test's own, which root may mount."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from orchestrator_project.runtime.engines import disk, postgres, valkey
from tests import forked
from tests.orchestrator_project.conftest import EngineUser
from tests.orchestrator_project.runtime.supervisor.test_run import Up

pytestmark = pytest.mark.system

FULL = "the disk is full: free some space in {home}"


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], Path]]:
    """Mount a folder of so many megabytes; what a test leaves running in it is stopped."""
    mounted: list[Path] = []

    def mount(megabytes: int) -> Path:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a small file system")
        folder = Path(tempfile.mkdtemp(prefix="disk-", dir="/tmp")).resolve()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            folder.rmdir()
            pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        valkey.stop(folder)
        postgres.stop(folder)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Take all the room there is; return the file that has it."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as filler:
        for size in (1024 * 1024, 4096, 1):
            with contextlib.suppress(OSError):  # until nothing more is taken
                while filler.write(b"0" * size):
                    pass
    assert shutil.disk_usage(folder).free == 0
    return file


def manage(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    keep = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "EVENTS_URL")}
    return forked.run(
        [sys.executable, "manage.py", *words], env=keep | {"ORCHESTRATOR_HOME": str(home)}, seconds=300
    )


def test_engaging_on_a_full_disk_says_so_and_works_again_when_there_is_room(
    small_disk: Callable[[int], Path], join: Callable[[Path], EngineUser]
) -> None:
    home = small_disk(400)
    join(home).urls()
    prepared = manage(home, "prepare")
    assert prepared.returncode == 0, prepared.stderr
    filler = fill(home)

    full = manage(home, "kill_switch", "engage", "--reason", "drill")
    filler.unlink()
    freed = manage(home, "kill_switch", "engage", "--reason", "drill", "--json")

    assert full.returncode != 0
    assert "is full" in full.stderr
    assert "free some space" in full.stderr
    assert str(home) in full.stderr
    assert "Traceback" not in full.stderr + full.stdout
    assert '"engaged": true' in freed.stdout


def test_the_terminal_says_why_a_process_ends_on_a_full_disk(small_disk: Callable[[int], Path]) -> None:
    home = small_disk(8)  # less than is needed, and room for the test's own files
    supervisor = Up(home, 1.0, "web=fails")
    try:
        supervisor.wait_for("web", 2)
    finally:
        supervisor.process.terminate()
        supervisor.ended()

    assert f"web ended with exit code 3 ({FULL.format(home=home)}); it is started again" in supervisor.said()


class DiskFullError(psycopg2.OperationalError):
    """As the driver raises it."""

    pgcode = "53100"


@pytest.mark.parametrize(
    ("error", "says_so"),
    [
        (DiskFullError(), True),
        (OSError(errno.ENOSPC, "no room"), True),
        (OSError(errno.EDQUOT, "no quota"), True),
        (RuntimeError('could not extend file "x": No space left on device'), True),
        (OSError(errno.EACCES, "not yours"), False),
        (psycopg2.OperationalError("server closed the connection unexpectedly"), False),
        (RuntimeError("other"), False),
    ],
)
def test_what_a_full_disk_looks_like(tmp_path: Path, error: Exception, says_so: bool) -> None:
    try:
        raise ValueError("what Django makes of it") from error
    except ValueError as wrapped:
        words = disk.why_it_failed(tmp_path, wrapped)

    assert words == (FULL.format(home=tmp_path) if says_so else None)


def test_a_database_that_is_gone_on_a_full_disk_is_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that could not write its log ends, and tells nobody why."""
    monkeypatch.setattr(disk, "NEEDED_BYTES", 2**62)
    gone = psycopg2.OperationalError("server closed the connection unexpectedly")

    assert disk.why_it_failed(tmp_path, gone) == FULL.format(home=tmp_path)
    assert disk.why_it_failed(tmp_path, RuntimeError("other")) is None
