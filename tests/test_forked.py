"""A forked command ends as the command line would: its exit code, both outputs, and no longer than allowed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.paths import ROOT

PROGRAM = """
import os, sys
print("said", sys.argv[1:], os.environ["ONLY"])
print("complained", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
SHARED = """
import os, sys
from tests import forked

if __name__ == "__main__":
    forked.share()
    for number in range(2):
        if os.fork() == 0:
            forked.join()
            done = forked.run([sys.executable, sys.argv[1]], env=dict(os.environ), seconds=120)
            os.write(1, done.stdout.encode())
            os._exit(done.returncode)
    codes = [os.waitstatus_to_exitcode(os.wait()[1]) for number in range(2)]
    sys.exit(any(codes))
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return str(file)


@pytest.mark.parametrize("is_loaded", [True, False])
@pytest.mark.parametrize("code", [0, 2])
def test_command_ends_as_on_the_command_line(program: str, code: int, is_loaded: bool) -> None:
    environment = {"ONLY": "this", "PATH": os.environ["PATH"]}

    done = forked.run([sys.executable, program, str(code)], env=environment, seconds=120, is_loaded=is_loaded)

    assert (done.returncode, done.stderr) == (code, "complained\n")
    assert done.stdout == f"said ['{code}'] this\n"


def test_command_that_does_not_end_is_killed(tmp_path: Path) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text("import threading; threading.Event().wait()")

    with pytest.raises(subprocess.TimeoutExpired, match="endless"):
        forked.run([sys.executable, str(endless)], env=dict(os.environ), seconds=1)


def test_forks_of_who_shares_it_use_one_server(tmp_path: Path) -> None:
    shared, child = tmp_path / "shared.py", tmp_path / "child.py"
    shared.write_text(SHARED)
    child.write_text("import os; print(os.getppid())")

    done = subprocess.run(
        [sys.executable, str(shared), str(child)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split()
    assert first == second


def test_a_server_apart_has_its_environment_and_ends_with_the_block(tmp_path: Path) -> None:
    tells = tmp_path / "tells.py"
    tells.write_text("import psutil; it = psutil.Process().parent(); print(it.pid, 'APART' in it.environ())")

    def told() -> list[str]:
        return forked.run([sys.executable, str(tells)], env=dict(os.environ), seconds=120).stdout.split()

    with forked.apart({"APART": "yes"}):
        server, is_apart = told()
    _, is_still_apart = told()

    assert (is_apart, is_still_apart) == ("True", "False")
    with pytest.raises(ProcessLookupError):
        os.kill(int(server), 0)
