"""A pytest plugin: a failed test of a whole system is run once more, alone, after all the others.

``--again FOLDER`` asks for it; only tests marked ``system`` are run again. One that passes then does not make
the run red: its name stands in a closing list "flaky". What both attempts wrote is kept in a file of the
folder, which the list names. Everything else fails at once, and so does a marked test without the option.

pytest-rerunfailures repeats a test at once, beside whatever has disturbed it, and keeps one output.
"""

import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

MARK = "system"
_FAILED = ("failed", "error")  # a failure of the test, and one of its fixtures
_OF_THIS_RUN = ("PYTEST_XDIST_", "PYTEST_CURRENT_TEST", "SLIPCOVER_")
_PASSED = re.compile(r"\b1 passed\b")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    told = "run failed tests marked system once more, alone, at the end; keep what they wrote in this folder"
    parser.getgroup("again").addoption("--again", metavar="FOLDER", default=None, help=told)


def pytest_configure(config: pytest.Config) -> None:
    """Watch the run where it is reported: in the one process, or in the one that hands the tests out."""
    folder = config.getoption("again")
    if folder and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Again(config, config.rootpath / folder), "run again")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that reports, which collects nothing itself, what is marked."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[MARK] = sorted(_marked(session.items))


def _marked(items: Iterable[pytest.Item]) -> set[str]:
    return {item.nodeid for item in items if item.get_closest_marker(MARK)}


class _Again:
    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config, self._folder = config, folder
        self._marked: set[str] = set()
        self._lines: list[str] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take over what a process of the run has told; one that crashed has told nothing."""
        self._marked |= set(getattr(node, "workeroutput", {}).get(MARK, ()))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Run again what failed; a run that was ended early raises here and leaves everything as it is."""
        result = yield
        self._marked |= _marked(session.items if hasattr(session, "items") else ())
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for test, reports in self._failures(reporter.stats).items():
                if self._passes(test, reports, reporter):
                    _take_for_flaky(reports, reporter.stats)
                    session.testsfailed -= len(reports)
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the closing list."""
        if self._lines:
            terminalreporter.section("flaky: failed, then run once more, alone")
            for line in self._lines:
                terminalreporter.write_line(line)

    def _failures(self, stats: dict[str, list[pytest.TestReport]]) -> dict[str, list[pytest.TestReport]]:
        found: dict[str, list[pytest.TestReport]] = {}
        for report in [report for kind in _FAILED for report in stats.get(kind, [])]:
            if report.nodeid in self._marked:
                found.setdefault(report.nodeid, []).append(report)
        return found

    def _passes(self, test: str, reports: list[pytest.TestReport], reporter: pytest.TerminalReporter) -> bool:
        reporter.ensure_newline()
        reporter.write_line(f"run again, alone: {test}")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_OF_THIS_RUN)}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-rA", test],
            cwd=self._config.rootpath,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        has_passed = done.returncode == 0 and _PASSED.search(done.stdout) is not None
        kept = self._keep(test, reports, done.stdout)
        verdict = "FLAKY, passed alone" if has_passed else "FAILED twice"
        self._lines.append(f"{verdict}: {test} (what both wrote: {kept})")
        return has_passed

    def _keep(self, test: str, reports: list[pytest.TestReport], second: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{len(self._lines) + 1}-{re.sub(r'[^A-Za-z0-9.]+', '-', test)[-150:]}.txt"
        first = [f"--- {report.when} ---\n{_text(report)}" for report in reports]
        file.write_text(
            "\n".join([test, "=== among the others ===", *first, "=== alone, after the others ===", second])
        )
        return file


def _text(report: pytest.TestReport) -> str:
    return "\n".join([report.longreprtext, *(f"--- {name} ---\n{text}" for name, text in report.sections)])


def _take_for_flaky(reports: list[pytest.TestReport], stats: dict[str, list[pytest.TestReport]]) -> None:
    for kind in _FAILED:
        left = [report for report in stats.pop(kind, []) if report not in reports]
        if left:
            stats[kind] = left  # an empty list would still make the summary red
    stats.setdefault("flaky", []).append(reports[0])
