"""The Makefile and the installer, in a copy of their own that has no .venv."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

LOCK = "six==1.16.0 --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile, the installer and an empty lock."""
    return made_project(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Such a folder with an environment, and how that was made: it takes seconds."""
    project = made_project(tmp_path_factory.mktemp("installed"))
    return project, make(project, "install")


def made_project(folder: Path) -> Path:
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "requirements" / "install.sh", folder / "requirements")
    (folder / "requirements" / "runtime.txt").touch()
    return folder


def make(project: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # of `make test`
    environment = {**ours, "PYTHON": sys.executable, **environ}
    return subprocess.run(
        ["make", *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_make_alone_lists_the_commands(project: Path) -> None:
    done = make(project)

    for command in ("install", "demo", "test", "check", "chaos", "bench", "real-model", "lock"):
        assert f"make {command} " in done.stdout


@pytest.mark.parametrize("command", ["chaos", "bench"])
def test_what_does_not_exist_yet_is_said(project: Path, command: str) -> None:
    program(project / "requirements" / "install.sh", "exit 0")

    done = make(project, command)

    assert done.returncode == 0
    assert "There are no" in done.stdout


def test_install_makes_the_environment_once(
    installed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    project, first = installed

    second = make(project, "install")

    assert first.returncode == 0, first.stderr
    assert "Installing requirements/runtime.txt into .venv with " in first.stdout
    assert (second.returncode, second.stdout) == (0, "")
    assert (project / ".venv" / "bin" / "python").exists()


def test_a_moved_environment_is_made_anew(project: Path) -> None:
    (project / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), project / ".venv" / "bin" / "python")
    left_over = project / ".venv" / "left-over"
    left_over.touch()

    done = make(project, "install")

    assert done.returncode == 0, done.stderr
    assert not left_over.exists()


def test_an_old_python_is_one_clear_sentence(project: Path) -> None:
    old = program(project / "old-python", """case "$2" in *stdout.write*) printf '3.9 ' ;; esac""")

    done = make(project, "install", PYTHON=str(old))

    assert done.returncode != 0
    assert "install: Python 3.11 to 3.14 is needed, found 3.9 : install one" in done.stderr
    assert not (project / ".venv").exists()


def test_a_python_without_venv_is_one_clear_sentence(project: Path) -> None:
    bare = program(project / "bare", """case "$2" in *stdout.write*) printf '3.11 ' ;; *) exit 1 ;; esac""")

    done = make(project, "install", PYTHON=str(bare))

    assert "its venv module is missing): install it, e.g. with: apt-get install python3-venv" in done.stderr


@pytest.mark.parametrize(
    ("said_first", "said_last"),
    [("11 0", "11 1"), ("11 1", "12 0"), ("9 1", "11 0")],
    ids=["built", "newer", "number"],
)
def test_the_newest_python_is_taken_and_of_two_the_optimized_one(
    project: Path, said_first: str, said_last: str
) -> None:
    lesser, better = (
        program(project / name, f"""[ "$1" = -c ] && echo {minor_and_build} "$0" """)
        for name, minor_and_build in (("lesser", said_first), ("better", said_last))
    )

    done = make(project, "install", PYTHON=f"{lesser} {better}")

    assert f"Installing requirements/runtime.txt into .venv with {better};" in done.stdout


def test_no_network_is_one_clear_sentence(
    installed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    project, _ = installed
    (project / "requirements" / "runtime.txt").write_text(LOCK)
    nowhere = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_NO_CACHE_DIR": "1",
    }
    blank = {"PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0"}

    done = make(project, "install", **nowhere, **blank)

    assert "install: the package index cannot be reached: check the network" in done.stderr
    assert not (project / ".venv" / "runtime.txt.installed").exists()


def test_a_full_disk_is_one_clear_sentence(project: Path) -> None:
    program(project / "bin" / "df", "printf 'a\\nb 1 1 2048 1 /\\n'")

    done = make(project, "install", PATH=f"{project / 'bin'}:{os.environ['PATH']}")

    assert "install: the disk is full: 2 MB are free here and 1500 MB are needed" in done.stderr


def test_the_demo_forgets_real_markets_and_keeps_the_rest(project: Path) -> None:
    program(project / "requirements" / "install.sh", "exit 0")
    program(project / ".venv" / "bin" / "python", 'echo "arguments: $*"; env')

    done = make(
        project,
        "demo",
        "PORT=8123",
        "VENUE_DATA=../prices",
        ALPACA_API_KEY="k",
        FINNHUB_API_KEY="k",
        COINGECKO_URL="u",
        AI_MODELS="m",
    )

    lines = done.stdout.splitlines()
    assert "arguments: manage.py up --port 8123" in lines
    assert {"ORCHESTRATOR_MODE=autonomous", "VENUE_DATA=../prices", "AI_MODELS=m"} <= set(lines)
    assert not [line for line in lines if line.startswith(("ALPACA_", "FINNHUB_", "COINGECKO_"))]
    assert lines[0].startswith("Demo: simulated trading on the local venue, in autonomous mode.")


def test_scripts_are_sound_shell() -> None:
    for shell, script in (("bash", ".ci/run"), ("sh", ".ci/chromium"), ("sh", "requirements/install.sh")):
        assert subprocess.run([shell, "-n", ROOT / script]).returncode == 0
        assert os.access(ROOT / script, os.X_OK)
