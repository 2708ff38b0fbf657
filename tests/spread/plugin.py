"""A pytest plugin: the processes of a run that is spread over several are forks of one, which has collected the tests.

Each of them loaded the project and all tests by itself: a dozen seconds of a core, and half a gigabyte, for each.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import execnet
import pytest

from tests.paths import ROOT
from tests.spread import door, hooks, remote

_STARTS = "import sys; sys.path[:] = {paths!r}; from tests.spread import collected; collected.main()"


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add ours."""
    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[execnet.XSpec]) -> None:
    """Have the tests collected, and the run's processes forked from whoever did it.

    Raises:
        UsageError: they cannot be; stderr says why.
    """
    folder = tempfile.TemporaryDirectory(prefix="spread-", dir="/tmp")
    config.add_cleanup(folder.cleanup)
    address = Path(folder.name, "socket")
    command = [sys.executable, "-c", _STARTS.format(paths=sys.path), str(address)]
    command += [str(word) for word in config.invocation_params.args]
    named = {"PYTEST_XDIST_WORKER": door.NOBODY, "PYTEST_XDIST_WORKER_COUNT": str(len(specs))}
    process = subprocess.Popen(command, env=os.environ | named, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    config.add_cleanup(lambda: _end(process))
    assert process.stdout is not None
    if process.stdout.readline() != door.COLLECTED:
        raise pytest.UsageError(f"the tests could not be collected (exit {process.wait()})")
    for spec in specs:
        spec.python = shlex.join([sys.executable, "-I", str(ROOT / door.PATH), str(address)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_getremotemodule() -> ModuleType:
    """What such a fork runs in the place of xdist's own."""
    return remote


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.stdin.close()  # which it waits for
    process.wait()
