"""Which file a process of the run is given next."""

from collections import OrderedDict
from typing import Any

import pytest

from tests.paths import ROOT
from tests.pools import LONG, TOGETHER, Pools, drives_systems, next_scope

SYSTEM = "tests/e2e/test_run_cycle.py"
LONG_SYSTEM = "tests/e2e/test_killed.py"
PLAIN = "tests/risk/domain/test_gate.py"
LONG_PLAIN = "tests/trading/admin/test_every_door.py"


def waiting(*scopes: str) -> "OrderedDict[str, Any]":
    return OrderedDict.fromkeys(scopes)


@pytest.mark.parametrize(
    ("files", "prefers_systems", "chosen"),
    [
        ((PLAIN, SYSTEM, LONG_PLAIN, LONG_SYSTEM), True, LONG_SYSTEM),
        ((PLAIN, SYSTEM, LONG_PLAIN, LONG_SYSTEM), False, LONG_PLAIN),
        ((PLAIN, SYSTEM), True, SYSTEM),
        ((PLAIN,), True, PLAIN),
        ((SYSTEM, LONG_SYSTEM), False, LONG_SYSTEM),
    ],
)
def test_own_kind_comes_first_and_the_longest_of_it(
    files: tuple[str, ...], prefers_systems: bool, chosen: str
) -> None:
    assert next_scope(waiting(*files), prefers_systems=prefers_systems) == chosen


def test_files_say_themselves_whether_they_drive_systems() -> None:
    assert drives_systems(SYSTEM)
    assert not drives_systems(PLAIN)


def test_what_is_named_exists() -> None:
    assert [name for name in (*LONG, *TOGETHER) if not (ROOT / name).exists()] == []


def test_a_folder_that_stays_together_is_one_scope() -> None:
    pools = Pools.__new__(Pools)

    assert pools._split_scope("tests/ai/domain/test_budget.py::test_x[a::b]") == "tests/ai"
    browser = "tests/trading/admin/browser"  # one for them all, by a fixture of the folder's
    assert pools._split_scope(f"{browser}/test_close.py::test_x") == browser
    assert pools._split_scope(f"{PLAIN}::test_x") == PLAIN
