"""The supervisor with real processes: restarts, stops, and what is left after a kill -9."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator_project.runtime.engines.processes import is_alive
from orchestrator_project.runtime.supervisor import AlreadyRunningError, only_one
from orchestrator_project.runtime.supervisor.child import how_it_ended
from orchestrator_project.runtime.supervisor.logs import RotatingLog
from tests.paths import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.system


class Up:
    """A supervisor in a process of its own, in a process group of its own."""

    def __init__(self, home: Path, grace: float, *children: str) -> None:
        self.home = home
        self.output = home / f"output-{time.monotonic_ns()}"
        command = [
            sys.executable,
            "-m",
            "tests.orchestrator_project.runtime.supervisor.supervised",
            "up",
            str(home),
            str(grace),
            *children,
        ]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, process_group=0
            )

    def said(self) -> str:
        return self.output.read_text()

    def pids(self, name: str) -> list[int]:
        """Return the pids that processes of this name had, oldest first."""
        file = self.home / "pids"
        lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [int(pid) for who, pid in lines if who == name]

    def wait_for(self, name: str, count: int = 1) -> int:
        """Wait for the ``count``-th process of this name and return its pid."""
        wait_until(lambda: len(self.pids(name)) >= count, what=f"{name} started {count} times")
        return self.pids(name)[count - 1]

    def ended(self) -> int:
        """Wait until it has ended; a busy machine takes its time, a lost signal takes for ever."""
        return self.process.wait(timeout=60)


@pytest.fixture(autouse=True)
def terminal() -> Iterator[None]:
    """Have signals stand as at a terminal, although the tests themselves may run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(params=[False, True], ids=["executed", "forked"])
def up(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Up]]:
    """Start supervisors, whose children are programs of their own or forks: they live and end alike."""
    started: list[Up] = []
    if request.param:
        monkeypatch.setenv("FORKS", "1")

    def start(*children: str, grace: float = 1.0) -> Up:
        started.append(Up(tmp_path, grace, *children))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.send_signal(signal.SIGTERM)
            each.process.wait(timeout=60)


def everybody(home: Path) -> list[int]:
    return [int(line.split()[1]) for line in (home / "pids").read_text().splitlines()]


def test_a_child_that_dies_is_started_again_and_said_so(up: Callable[..., Up]) -> None:
    """docs/lessons.md#lesson-14."""
    supervisor = up("web=sleeps")
    first = supervisor.wait_for("web")

    os.kill(first, signal.SIGKILL)
    second = supervisor.wait_for("web", 2)

    assert is_alive(second)
    assert "web was ended by SIGKILL; it is started again in 0.2 s (log: " in supervisor.said()


def test_a_child_that_cannot_live_gets_growing_pauses(up: Callable[..., Up]) -> None:
    """docs/lessons.md#lesson-14."""
    supervisor = up("web=fails", "beat=missing")

    supervisor.wait_for("web", 4)

    said = supervisor.said()
    for pause in ("0.2", "0.4", "0.8"):
        assert f"web ended with exit code 3; it is started again in {pause} s" in said
    assert "1.6 s" not in said
    assert "beat could not be started (No such file or directory: " in said


def test_children_share_the_supervisors_process_group(up: Callable[..., Up]) -> None:
    supervisor = up("web=sleeps")

    assert os.getpgid(supervisor.wait_for("web")) == supervisor.process.pid


def test_output_goes_to_the_log_and_not_to_the_console(up: Callable[..., Up], tmp_path: Path) -> None:
    supervisor = up("web=talks")
    supervisor.wait_for("web")
    log = tmp_path / "logs" / "web.log"

    def has_both() -> bool:
        text = log.read_text() if log.exists() else ""
        return "out\n" in text and "err\n" in text

    wait_until(has_both, what="the output is in the log")

    assert "out\n" not in supervisor.said()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_every_process(
    up: Callable[..., Up], tmp_path: Path, number: signal.Signals
) -> None:
    supervisor = up("web=sleeps", "worker=sleeps")
    supervisor.wait_for("web")
    supervisor.wait_for("worker")

    supervisor.process.send_signal(number)

    assert supervisor.ended() == 0
    assert "all stopped" in supervisor.said()
    assert not (tmp_path / "after-kill").exists()
    assert not any(is_alive(pid) for pid in everybody(tmp_path))


def test_ctrl_c_reaches_the_whole_group_and_shows_no_traceback(up: Callable[..., Up], tmp_path: Path) -> None:
    supervisor = up("web=sleeps")
    supervisor.wait_for("web")

    os.killpg(supervisor.process.pid, signal.SIGINT)

    assert supervisor.ended() == 0
    assert "Traceback" not in supervisor.said()
    assert not any(is_alive(pid) for pid in everybody(tmp_path))


def test_nohup_is_respected(up: Callable[..., Up]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what a program started by nohup inherits
    try:
        supervisor = up("web=sleeps")
    finally:
        signal.signal(signal.SIGHUP, before)
    first = supervisor.wait_for("web")

    supervisor.process.send_signal(signal.SIGHUP)
    os.kill(first, signal.SIGKILL)

    assert is_alive(supervisor.wait_for("web", 2))
    assert supervisor.process.poll() is None


def test_a_stubborn_child_and_its_own_child_are_killed_in_time(up: Callable[..., Up], tmp_path: Path) -> None:
    supervisor = up("worker=stubborn")
    supervisor.wait_for("worker")
    supervisor.wait_for("worker-child")

    supervisor.process.send_signal(signal.SIGTERM)

    assert supervisor.ended() == 0
    assert "Not ended in time, killed: worker" in supervisor.said()
    assert not any(is_alive(pid) for pid in everybody(tmp_path))


def test_a_second_signal_hurries(up: Callable[..., Up], tmp_path: Path) -> None:
    supervisor = up("worker=stubborn", grace=600)
    supervisor.wait_for("worker-child")

    supervisor.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Ctrl-C once more" in supervisor.said(), what="the first signal is seen")
    supervisor.process.send_signal(signal.SIGINT)

    assert supervisor.ended() == 0
    assert not any(is_alive(pid) for pid in everybody(tmp_path))


def test_what_a_killed_child_started_does_not_outlive_it(up: Callable[..., Up]) -> None:
    supervisor = up("worker=stubborn")
    grandchild = supervisor.wait_for("worker-child")

    os.kill(supervisor.wait_for("worker"), signal.SIGKILL)
    supervisor.wait_for("worker", 2)

    assert not is_alive(grandchild)


def test_kill_9_of_the_supervisor_leaves_no_process(up: Callable[..., Up], tmp_path: Path) -> None:
    supervisor = up("web=sleeps", "worker=stubborn")
    supervisor.wait_for("web")
    supervisor.wait_for("worker-child")

    supervisor.process.kill()
    supervisor.process.wait(timeout=60)

    wait_until(lambda: not any(is_alive(pid) for pid in everybody(tmp_path)), what="every child is gone")
    wait_until((tmp_path / "after-kill").exists, what="the warden ran the command for this case")


def test_a_new_up_waits_until_a_killed_one_is_cleaned_up(up: Callable[..., Up]) -> None:
    killed = up("worker=stubborn")
    leftover = killed.wait_for("worker-child")
    killed.process.kill()
    killed.process.wait(timeout=60)

    new = up("worker=sleeps")
    new.wait_for("worker", 2)

    assert not is_alive(leftover)


def test_a_second_up_says_who_runs_and_what_to_do(up: Callable[..., Up], tmp_path: Path) -> None:
    first = up("web=sleeps")
    first.wait_for("web")

    second = up("web=sleeps")

    assert second.ended() == 1
    assert f"already runs on {tmp_path} (process {first.process.pid}): stop it" in second.said()
    assert len(first.pids("web")) == 1


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(AlreadyRunningError, match="already runs"), only_one(tmp_path):
        pass

    with only_one(tmp_path):
        pass


def test_the_warden_is_replaced_when_it_is_killed(up: Callable[..., Up], tmp_path: Path) -> None:
    supervisor = up("worker=stubborn")
    supervisor.wait_for("worker-child")

    def warden() -> int:
        for child in psutil.Process(supervisor.process.pid).children():
            if is_alive(child.pid) and any("warden.py" in word for word in child.cmdline()):
                return int(child.pid)
        return 0

    first = warden()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: warden() not in (0, first), what="there is another warden")
    supervisor.process.kill()
    supervisor.process.wait(timeout=60)

    wait_until(lambda: not any(is_alive(pid) for pid in everybody(tmp_path)), what="every child is gone")


def test_logs_keep_three_files(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "web.log", limit_bytes=100)

    for number in range(100):
        log.write(f"line {number:03d}\n".encode())

    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["web.log", "web.log.1", "web.log.2"]
    assert log.path.read_text().endswith("line 099\n")
    assert all(file.stat().st_size <= 100 for file in tmp_path.iterdir())


def test_a_log_that_cannot_be_written_counts_what_it_lost(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.mkdir()
    log = RotatingLog(path)
    log.write(b"lost\n")
    path.rmdir()

    log.write(b"kept\n")

    assert path.read_text() == "--- 1 lines could not be written here ---\nkept\n"


def test_exit_codes_are_said_in_words() -> None:
    assert how_it_ended(0) == "ended with exit code 0"
    assert how_it_ended(-9) == "was ended by SIGKILL"
    assert how_it_ended(-99) == "was ended by signal 99"
