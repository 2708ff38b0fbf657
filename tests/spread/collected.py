"""The process that collects the tests once, and is forked for each process of the run (tests/spread/plugin.py)."""

import os
import select
import socket
import sys
from contextlib import suppress
from typing import Any

import pytest
from _pytest.config import ExitCode, _prepareconfig
from _pytest.tmpdir import TempPathFactory

from tests.spread.door import COLLECTED, NOBODY

# What a plugin is, or loads, is loaded by pytest itself, which rewrites its assertions.
_runs: list["_Run"] = []


class _Notes:
    """What a process of the run says before there is anybody to hear it."""

    def __init__(self) -> None:
        import execnet.gateway_base

        self.gateway = self
        self.execmodel = execnet.gateway_base.get_execmodel("main_thread_only")
        self.events: list[object] = []

    def send(self, event: object) -> None:
        self.events.append(event)


class _Refusals:
    """What could not be collected, in the words of who tried."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.words.append(f"{report.nodeid}\n{report.longreprtext}")


class _Run:
    """A session of pytest: up to its first test in the process that is forked, from there on in the fork."""

    def __init__(self, arguments: list[str]) -> None:
        self._config = config = _prepareconfig(arguments)
        import xdist.remote

        xdist.remote.setup_config(config, None)
        config.workerinput = {"workerid": NOBODY, "testrunuid": ""}  # type: ignore[attr-defined]
        config.workeroutput = {}  # type: ignore[attr-defined]
        self._notes = _Notes()
        self._interactor = xdist.remote.WorkerInteractor(config, self._notes)  # type: ignore[arg-type]
        xdist.remote.interactor = self._interactor  # type: ignore[attr-defined]
        self._session = pytest.Session.from_config(config)
        config._do_configure()
        config.hook.pytest_sessionstart(session=self._session)
        self._collect()
        config.hook.pytest_before_forks(session=self._session)
        self._capture = config.pluginmanager.getplugin("capturemanager")
        self._capture.stop_global_capturing()

    def _collect(self) -> None:
        """Collect; what cannot be collected ends a run at its begin, as it does in one process."""
        refusals, config = _Refusals(), self._config
        config.pluginmanager.register(refusals)
        config.hook.pytest_collection(session=self._session)
        if refusals.words and not config.option.continue_on_collection_errors:
            raise pytest.UsageError("\n\n".join(["not all tests can be collected", *refusals.words]))

    def go_on(self, channel: Any) -> None:
        """Run the tests that the other end of the channel asks for, as pytest's own ``wrap_session`` would."""
        told, _, options, _ = channel.receive()
        config, session = self._config, self._session
        named = {"PYTEST_XDIST_WORKER": told["workerid"], "PYTEST_XDIST_TESTRUNUID": told["testrunuid"]}
        os.environ |= told["environment"] | named
        config.workerinput = told  # type: ignore[attr-defined]
        config.option.basetemp = options.get("basetemp")
        config._tmp_path_factory = TempPathFactory.from_config(config, _ispytest=True)  # type: ignore[attr-defined]
        self._capture.start_global_capturing()
        self._speak_over(channel)
        try:
            config.hook.pytest_own_process()
            config.hook.pytest_runtestloop(session=session)
            session.exitstatus = ExitCode.TESTS_FAILED if session.testsfailed else ExitCode.OK
        except (KeyboardInterrupt, pytest.exit.Exception):
            session.exitstatus = ExitCode.INTERRUPTED
            config.hook.pytest_keyboard_interrupt(excinfo=pytest.ExceptionInfo.from_current())
        except BaseException:  # noqa: BLE001 - the run is told, and who else ends it here
            session.exitstatus = ExitCode.INTERNAL_ERROR
            config.notify_exception(pytest.ExceptionInfo.from_current(), config.option)
        finally:
            config.hook.pytest_sessionfinish(session=session, exitstatus=session.exitstatus)
            config._ensure_unconfigure()

    def _speak_over(self, channel: Any) -> None:
        import xdist.remote

        told, interactor = self._config.workerinput, self._interactor  # type: ignore[attr-defined]
        interactor.workerid, interactor.testrunuid = told["workerid"], told["testrunuid"]
        interactor.channel = channel
        interactor.torun = xdist.remote.TestQueue(channel.gateway.execmodel)
        for event in self._notes.events:
            channel.send(event)


def run(channel: Any) -> None:
    """Be a process of the run, in a fork."""
    _runs[0].go_on(channel)


def main() -> None:
    """Collect the tests, say so on stdout, and fork for everyone who comes to the socket, until stdin ends.

    The command line is the socket's address, and pytest's own.
    """
    address, *arguments = sys.argv[1:]
    sys.argv[1:] = []  # as in xdist's own processes
    said = os.dup(1)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    with socket.socket(socket.AF_UNIX) as listener, suppress(KeyboardInterrupt):
        listener.bind(address)
        listener.listen()
        try:
            _runs.append(_Run(arguments))
        except pytest.UsageError as error:
            sys.exit(f"ERROR: {error}")
        os.write(said, COLLECTED)
        descriptors = _forked(listener)
    if descriptors:
        _serve(descriptors)


def _forked(listener: socket.socket) -> list[int]:
    """Return, in each fork, the pipes of whom it was started for; when stdin ends and the forks have ended, none."""
    forks = []
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        visitor, _ = listener.accept()
        _, descriptors, _, _ = socket.recv_fds(visitor, 1, 3)
        pid = os.fork()
        if pid == 0:
            visitor.detach()  # closed when this process ends: the other one waits for that
            return descriptors
        forks.append(pid)
        visitor.close()
        for descriptor in descriptors:
            os.close(descriptor)
    for pid in forks:
        os.waitpid(pid, 0)
    return []


def _serve(descriptors: list[int]) -> None:
    """Do what ``python -c`` does for execnet, with the pipes of whom it was started for."""
    for place, descriptor in enumerate(descriptors):
        os.dup2(descriptor, place)
        os.close(descriptor)
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})  # noqa: S102, S307 - as execnet's bootstrap line does
