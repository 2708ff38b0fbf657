"""The processes of a spread run are forks of one that has collected, and behave as those that load everything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

INI = """
[pytest]
addopts = -p tests.spread.plugin -p xdist -p no:cacheprovider --dist load
"""
LOADED = """
import os
from pathlib import Path

with Path("loads").open("a") as loads:
    loads.write(f"{os.getpid()}\\n")
"""
TESTS = f"""
{LOADED}
import warnings

import pytest

warnings.warn("said while it was collected")

@pytest.mark.parametrize("number", range(12))
def test_own(number, tmp_path, worker_id):
    print(f"the words of {{number}}")
    assert os.environ["PYTEST_XDIST_WORKER"] == worker_id
    assert f"popen-{{worker_id}}" in str(tmp_path)
    with Path("runs").open("a") as runs:
        runs.write(f"{{os.getpid()}}\\n")

def test_failing():
    print("said on the way")
    assert [1, 2] == [1, 3]

def test_crash():
    os._exit(3)
"""

SETS_LATER = """
import os

def pytest_configure(config):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["SET_LATER"] = "yes"
"""
ASKS_FOR_IT = """
import os

def test_told():
    assert os.environ["SET_LATER"] == "yes"
"""


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
        [sys.executable, "-m", "pytest", "-n", "2", *arguments],
        cwd=project,
        env=environment | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def pids(project: Path, name: str) -> list[int]:
    return [int(line) for line in (project / name).read_text().split()]


def test_tests_are_loaded_once_and_run_in_forks_with_names_of_their_own(project: Path) -> None:
    done = run(project, "-k", "own")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 passed" in done.stdout
    assert "said while it was collected" in done.stdout
    (loader,) = pids(project, "loads")
    assert loader not in pids(project, "runs")
    assert len(set(pids(project, "runs"))) == 2


@pytest.mark.parametrize("count", ["2", "auto"], ids=["begun at once", "begun when the count is known"])
def test_forks_know_what_was_set_while_their_tests_were_collected(project: Path, count: str) -> None:
    (project / "conftest.py").write_text(SETS_LATER)
    (project / "test_set.py").write_text(ASKS_FOR_IT)

    done = run(project, "-k", "told", "-n", count)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_nobody_collects_beside_who_only_lists_the_tests(project: Path) -> None:
    done = run(project, "--collect-only", "-q")

    assert "14 tests collected" in done.stdout
    assert len(pids(project, "loads")) == 1


def test_failure_is_told_with_its_values_and_what_it_wrote(project: Path) -> None:
    done = run(project, "-k", "failing")

    assert done.returncode == 1
    assert "At index 1 diff: 2 != 3" in done.stdout
    assert "said on the way" in done.stdout


def test_who_ends_in_a_test_is_replaced(project: Path) -> None:
    done = run(project, "-k", "own or crash")

    assert done.returncode == 1
    assert "1 failed, 12 passed" in done.stdout
    assert re.search(r"worker 'gw\d' crashed while running 'test_some.py::test_crash'", done.stdout)
    assert len(pids(project, "loads")) == 1


def test_what_cannot_be_loaded_is_told_before_anything_is_run(project: Path) -> None:
    (project / "test_wrong.py").write_text("raise ValueError('not today')")

    done = run(project)

    assert done.returncode == 4
    assert "test_wrong.py" in done.stderr
    assert "ValueError: not today" in done.stderr
    assert not (project / "runs").exists()
    assert run(project, "-k", "own", "--continue-on-collection-errors").returncode == 1
    assert len(set(pids(project, "runs"))) == 2


def test_a_file_that_is_not_there_is_an_error_of_usage(project: Path) -> None:
    done = run(project, "test_other.py")

    assert done.returncode == 4
    assert "test_other.py" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_nobody_stays_behind(project: Path) -> None:
    run(project, "-k", "own")

    for pid in {*pids(project, "loads"), *pids(project, "runs")}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
