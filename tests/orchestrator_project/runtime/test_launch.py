"""The command line itself: what is misspelt, and a reader that leaves."""

import os
import subprocess
import sys

from tests.paths import ROOT

HELP = (sys.executable, "manage.py", "help")


def test_unknown_command_names_the_nearest_and_ends_with_2() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "kil_switch", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 2
    assert done.stderr == (
        "there is no command 'kil_switch': did you mean kill_switch? `manage.py help` lists them\n"
    )


def test_reader_that_has_enough_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(HELP, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=300)
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (141, "")
