"""What is done apart ends with what it was asked for, or with its own words."""

import os
import signal
import subprocess
import sys

import pytest

from tests.paths import ROOT

PROGRAM = """
import os, signal, sys
from django.core.management.base import CommandError
from orchestrator_project.runtime.apart import Apart, EndedApartError

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)

def fails():
    try:
        raise OSError(28, "No space left on device")
    except OSError as error:
        raise CommandError("not migrated") from error

def odd():
    raise Odd("one", "two")

def works():
    print("done apart")

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

acts = dict(works=works, fails=fails, odd=odd, killed=killed)
try:
    Apart(acts[sys.argv[1]]).finish()
    print("went on")
except (CommandError, EndedApartError) as error:
    print(type(error).__name__, error, repr(error.__cause__))
"""


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("works", "done apart\nwent on\n"),
        ("fails", "CommandError not migrated OSError(28, 'No space left on device')\n"),
        ("odd", "EndedApartError Odd: one None\n"),
        (
            "killed",
            f"EndedApartError the process that was to do it ended with exit code {-signal.SIGKILL} None\n",
        ),
    ],
)
def test_what_is_done_apart_is_told(act: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, act],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == said
