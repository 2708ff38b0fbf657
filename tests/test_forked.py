"""A forked command ends as the command line would: its exit code, both outputs, and no longer than allowed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked

PROGRAM = """
import os, sys
print("said", sys.argv[1:], os.environ["ONLY"])
print("complained", file=sys.stderr)
sys.exit(int(sys.argv[1]))
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
