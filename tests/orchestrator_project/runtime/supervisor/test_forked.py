"""A forked child is a process of its own: called by its name, marked, with nothing of its parent's open or handled."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator_project.runtime.supervisor import warden
from tests.orchestrator_project.runtime.supervisor.test_run import Up
from tests.paths import ROOT
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere programs are executed"),
]
MODULE = "tests.orchestrator_project.runtime.supervisor.supervised"
REFUSED = """
import threading
from orchestrator_project.runtime.supervisor import forked
threading.Thread(target=threading.Event().wait, name="left over", daemon=True).start()
try:
    forked.require_fitness()
except forked.UnfitToForkError as error:
    print(error)
"""
CONNECTED = """
import django; django.setup()
from django.db import connections
from orchestrator_project.runtime import image
connections["default"].connection = object()
try:
    image.become(("python", "-m", "this"))
except image.NotAloneError as error:
    print(error)
"""


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Up]]:
    monkeypatch.setenv("FORKS", "1")
    started: list[Up] = []

    def start(*children: str) -> Up:
        started.append(Up(tmp_path, 1.0, *children))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.send_signal(signal.SIGTERM)
            each.process.wait(timeout=60)


def said_by(program: str) -> str:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "orchestrator_project.settings"}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_child_is_called_by_its_name_and_carries_the_marks(
    up: Callable[..., Up], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONG", "x" * 500)
    monkeypatch.setenv("ORCHESTRATOR_HOME", "/where/it/lives")
    supervisor = up("web=sleeps")
    child = psutil.Process(supervisor.wait_for("web"))

    assert child.ppid() == supervisor.process.pid
    assert Path(f"/proc/{child.pid}/comm").read_text() == "web\n"
    assert child.cmdline()[0].strip() == "orchestrator web"
    shown = child.environ()
    assert shown[warden.NAME_MARK] == "web"
    assert shown[warden.MARK].startswith(f"{supervisor.process.pid}-")
    assert (
        shown["ORCHESTRATOR_HOME"] == "/where/it/lives"
    )  # where there is no room for all, the longest is left out
    assert "web" not in psutil.Process(supervisor.process.pid).environ().get(warden.NAME_MARK, "")


def test_child_has_no_descriptor_and_no_handler_of_its_parent(up: Callable[..., Up], tmp_path: Path) -> None:
    up("web=looks").wait_for("web")
    looked = tmp_path / "looked"
    seen = wait_until(lambda: looked.exists() and looked.read_text(), what="the child has told what it saw")

    *descriptors, listing, handler = str(seen).splitlines()

    assert sorted(descriptors) == ["0", "1", "2"]
    assert listing == "3"  # the one with which it looked
    assert handler == str(signal.SIG_DFL)


def test_child_that_raises_leaves_its_traceback_in_the_log(up: Callable[..., Up], tmp_path: Path) -> None:
    supervisor = up("web=raises")

    wait_until(lambda: "web ended with exit code 1" in supervisor.said(), what="the end is said")

    assert "RuntimeError: out of order" in (tmp_path / "logs" / "web.log").read_text()


def test_what_runs_once_is_not_started_again(up: Callable[..., Up], tmp_path: Path) -> None:
    supervisor = up("first=ends", "web=sleeps")
    log = tmp_path / "logs" / "first.log"
    wait_until(log.exists, what="it was started")
    wait_until(lambda: "ended with exit code 0" in log.read_text(), what="it has ended")

    os.kill(supervisor.wait_for("web"), signal.SIGKILL)
    supervisor.wait_for("web", 2)

    assert len(supervisor.pids("first")) == 1
    assert "first" not in supervisor.said()


def test_children_are_forked_again_when_the_terminal_is_gone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", MODULE, "up", str(tmp_path), "1.0", "web=sleeps"]
    supervisor = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"FORKS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert supervisor.stdout is not None
    supervisor.stdout.close()  # as `manage.py up | head -1`

    def pids() -> list[str]:
        file = tmp_path / "pids"
        return file.read_text().split()[1::2] if file.exists() else []

    try:
        for count in (1, 2, 3):
            wait_until(lambda count=count: len(pids()) == count, what=f"it runs for the {count}. time")  # type: ignore[misc]  # a default binds the loop's name
            os.kill(int(pids()[-1]), signal.SIGKILL)
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(timeout=60)


def test_supervisor_has_one_thread_and_refuses_to_fork_with_more(up: Callable[..., Up]) -> None:
    supervisor = up("web=talks", "worker=sleeps")
    supervisor.wait_for("web")
    supervisor.wait_for("worker")

    assert psutil.Process(supervisor.process.pid).num_threads() == 1
    assert said_by(REFUSED) == "2 threads run in the supervisor: MainThread, left over\n"


def test_no_fork_works_on_a_connection_of_its_parent() -> None:
    assert said_by(CONNECTED) == "connections are open: default\n"
