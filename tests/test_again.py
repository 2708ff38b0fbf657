"""Failed tests of whole systems are run once more, alone, after the others; all else fails at once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

INI = """
[pytest]
addopts = -p tests.again -p xdist -p no:cacheprovider --strict-markers
markers = system: as the suite's
"""
TESTS = """
import os
from pathlib import Path

import pytest

def note(name):
    with Path("runs").open("a") as runs:
        runs.write(f"{name}\\n")
    return Path("runs").read_text().split().count(name)

@pytest.mark.system
def test_once():
    print("the first words of a test")
    assert note("once") > 1

@pytest.mark.system
def test_twice():
    assert note("twice") > 2

@pytest.mark.system
def test_skipped_later():
    if note("skipped") > 1:
        pytest.skip("now it is")
    assert False

@pytest.fixture
def shaky():
    assert note("fixture") > 1

@pytest.mark.system
def test_fixture(shaky):
    pass

@pytest.mark.system
def test_crash():
    if note("crash") == 1:
        os._exit(1)

@pytest.mark.parametrize("number", range(20))
def test_other(number):
    note("other")

def test_unmarked():
    assert note("unmarked") > 1
"""
PROCESSES = [pytest.param((), id="one process"), pytest.param(("-n", "2"), id="two processes")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Tests of their own, with this plugin."""
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_some.py").write_text(TESTS)
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    of_this_run = ("PYTEST_", "SLIPCOVER_", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(of_this_run)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=project,
        env=environment | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def ended_with(done: subprocess.CompletedProcess[str], **counts: int) -> bool:
    last = done.stdout.splitlines()[-1]
    found = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|flaky|error)", last)}
    return found == counts


def runs(project: Path) -> list[str]:
    return (project / "runs").read_text().split()


@pytest.mark.parametrize("processes", PROCESSES)
def test_what_passes_alone_leaves_the_run_green_and_is_named(
    project: Path, processes: tuple[str, ...]
) -> None:
    done = run(project, *processes, "--again", "kept", "-k", "once or other or fixture")

    (kept,) = (project / "kept").glob("*test-once.txt")
    assert done.returncode == 0, done.stdout
    assert ended_with(done, passed=20, flaky=2)
    assert f"FLAKY, passed alone: test_some.py::test_once (what both wrote: {kept})" in done.stdout
    assert "FLAKY, passed alone: test_some.py::test_fixture" in done.stdout
    assert sorted(runs(project)[-2:]) == ["fixture", "once"]
    first, _, second = kept.read_text().partition("=== alone, after the others ===")
    assert "assert 1 > 1" in first
    assert "the first words of a test" in first
    assert "1 passed" in second


@pytest.mark.parametrize("processes", PROCESSES)
def test_what_fails_twice_fails_the_run(project: Path, processes: tuple[str, ...]) -> None:
    done = run(project, *processes, "--again", "kept", "-k", "once or twice or skipped")

    assert done.returncode == 1
    assert ended_with(done, failed=2, flaky=1)
    assert "FAILED twice: test_some.py::test_twice" in done.stdout
    assert "FAILED twice: test_some.py::test_skipped_later" in done.stdout
    assert sorted(runs(project)) == ["once", "once", "skipped", "skipped", "twice", "twice"]


@pytest.mark.parametrize("processes", PROCESSES)
def test_what_is_not_marked_fails_at_once(project: Path, processes: tuple[str, ...]) -> None:
    done = run(project, *processes, "--again", "kept", "-k", "unmarked or once")

    assert done.returncode == 1
    assert ended_with(done, failed=1, flaky=1)
    assert runs(project).count("unmarked") == 1


def test_a_marked_test_that_ends_its_process_is_run_again(project: Path) -> None:
    done = run(project, "-n", "2", "--again", "kept", "-k", "crash or other")

    assert done.returncode == 0, done.stdout
    assert ended_with(done, passed=20, flaky=1)
    assert runs(project)[-1] == "crash"


def test_nothing_is_run_again_unasked_or_when_the_run_was_ended(project: Path) -> None:
    plain = run(project, "-k", "once")
    (project / "runs").unlink()
    ended = run(project, "--again", "kept", "-x", "-k", "once or twice")

    assert plain.returncode == 1
    assert ended.returncode == 1
    assert runs(project) == ["once"]
    assert "flaky" not in ended.stdout
