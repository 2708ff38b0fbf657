"""A pytest plugin: the processes of a run that is spread over several are forks of one, which has collected the tests.

Each of them loaded the project and all tests by itself: a dozen seconds of a core, and half a gigabyte, for each.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

import execnet
import pytest
from xdist.workermanage import WorkerController

from tests.paths import ROOT
from tests.spread import door, hooks, remote

_STARTS = "import sys; sys.path[:] = {paths!r}; from tests.spread import collected; collected.main()"


class _Collector:
    """The process that collects, and whom its forks are asked of."""

    def __init__(self, config: pytest.Config, count: int) -> None:
        folder = tempfile.TemporaryDirectory(prefix="spread-", dir="/tmp")
        config.add_cleanup(folder.cleanup)
        self.address = Path(folder.name, "socket")
        self._environment = dict(os.environ)
        command = [sys.executable, "-c", _STARTS.format(paths=sys.path), str(self.address)]
        command += [str(word) for word in config.invocation_params.args]
        named = {"PYTEST_XDIST_WORKER": door.NOBODY, "PYTEST_XDIST_WORKER_COUNT": str(count)}
        self._process = subprocess.Popen(
            command, env=self._environment | named, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        config.add_cleanup(self._end)

    def wait(self) -> None:
        """Return when the tests are collected.

        Raises:
            UsageError: they cannot be; stderr says why.
        """
        assert self._process.stdout is not None
        if self._process.stdout.readline() != door.COLLECTED:
            raise pytest.UsageError(f"the tests could not be collected (exit {self._process.wait()})")

    def environment_since(self) -> dict[str, str]:
        """Return what has been set since the process was started, which it doesn't know."""
        return {name: value for name, value in os.environ.items() if self._environment.get(name) != value}

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # which it waits for
        self._process.wait()


_COLLECTOR = pytest.StashKey[_Collector]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add ours."""
    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before stderr is captured
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Have the tests collected while this process loads the project itself, where it is clear by now that they run."""
    asked = early_config.known_args_namespace
    count = getattr(asked, "numprocesses", None)  # none, a number, or words
    only_says = asked.collectonly or asked.help or asked.version
    if isinstance(count, int) and count and not only_says and "PYTEST_XDIST_WORKER" not in os.environ:
        early_config.stash[_COLLECTOR] = _Collector(early_config, count)
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[execnet.XSpec]) -> None:
    """Have the run's processes forked from the one that has collected the tests.

    Raises:
        UsageError: they cannot be collected; stderr says why.
    """
    if _COLLECTOR not in config.stash:
        config.stash[_COLLECTOR] = _Collector(config, len(specs))
    collector = config.stash[_COLLECTOR]
    collector.wait()
    for spec in specs:
        spec.python = shlex.join([sys.executable, "-I", str(ROOT / door.PATH), str(collector.address)])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a fork what it needs to know of the run."""
    node.workerinput["environment"] = node.config.stash[_COLLECTOR].environment_since()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_getremotemodule() -> ModuleType:
    """What such a fork runs in the place of xdist's own."""
    return remote
