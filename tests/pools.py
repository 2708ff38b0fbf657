"""A pytest plugin: hand files to the processes of a run so that no core stands idle, and none is waited for.

Files that drive whole systems mostly wait, the others mostly compute. Half of the processes prefer the one
kind, half the other; who finds none left of its own kind takes of the other. Long ones come first.
"""

from collections import OrderedDict
from functools import cache
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from tests.paths import ROOT

SYSTEM = "mark.system"  # how such a file says so, whoever applies the mark
# Load litellm, or start a browser, which takes as long as some of these tests: once is enough.
TOGETHER = ("tests/ai", "tests/trading/admin/browser", "tests/evaluation/admin/browser")
# Those whose late start would be waited for, the longest first.
LONG = (
    "tests/e2e/test_failure_matrix.py",
    "tests/e2e/test_killed.py",
    "tests/trading/admin/browser",
    "tests/trading/admin/test_every_door.py",
    "tests/chaos/test_stepped_clocks.py",
    "tests/chaos/test_soak.py",
    "tests/e2e/test_up.py",
    "tests/chaos/test_naked.py",
    "tests/chaos/test_naive_stops.py",
    "tests/ai",
    "tests/evaluation/services/shadow/test_running.py",
    "tests/trading/execution/test_full_book.py",
    "tests/orchestrator_project/runtime/doctor/test_examination.py",
    "tests/chaos/test_stopped_switch.py",
    "tests/trading/market/test_fallback_chain.py",
    "tests/trading/admin/test_pages.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Take the place of ``--dist loadfile``'s own scheduler."""
    return Pools(config, log) if config.getvalue("dist") == "loadfile" else None


class Pools(LoadFileScheduling):  # type: ignore[misc]  # xdist's private parts have no types
    """xdist's scheduler of files, with a choice of the next one."""

    def _split_scope(self, nodeid: str) -> str:
        for folder in TOGETHER:
            if nodeid.startswith(f"{folder}/"):
                return folder
        return str(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: WorkerController) -> None:
        chosen = next_scope(self.workqueue, prefers_systems=self.nodes.index(node) % 2 == 0)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


def next_scope(waiting: "OrderedDict[str, Any]", *, prefers_systems: bool) -> str:
    """Return which of the waiting files comes next for a process of this kind."""
    fitting = [scope for scope in waiting if drives_systems(scope) == prefers_systems] or list(waiting)
    return min(fitting, key=lambda scope: LONG.index(scope) if scope in LONG else len(LONG))


@cache
def drives_systems(scope: str) -> bool:
    """Return whether a file of tests says that it drives whole systems."""
    path = ROOT / scope
    return path.is_file() and SYSTEM in path.read_text()
