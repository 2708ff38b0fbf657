"""What must hold of the code as a whole."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models
from hypothesis import HealthCheck, settings

from risk.services import locks
from tests.paths import ROOT

ROOMS = ("orchestrator_project", "evaluation", "trading", "risk", "ai", "connectors")
STARTS_SYSTEMS = re.compile(
    r"^from (playwright|tests\.forked|tests\.chaos|tests\.e2e(?!\.system import environment$)"
    r"|tests\.trading\.(admin\.browser|api\.server|events\.processes))",
    re.MULTILINE,
)
OURS = [
    model for model in apps.get_models() if model._meta.app_label in ("evaluation", "trading", "risk", "ai")
]


def _callers_of(attribute: str) -> set[str]:
    """Return the files of our rooms that call a method of this name."""
    found = set()
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr == attribute
                ):
                    found.add(str(file.relative_to(ROOT)))
    return found


def test_one_function_posts_orders() -> None:
    """docs/lessons.md#lesson-33."""
    callers = {file for file in _callers_of("submit_order") if not file.startswith("connectors/venue/")}

    assert callers == {"trading/orders/posting.py"}


def test_modules_of_whole_systems_are_marked() -> None:
    """Who starts a system or a browser says so, wherever it stands; others are not run a second time."""
    unmarked = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests").rglob("test_*.py")
        if STARTS_SYSTEMS.search(text := file.read_text()) and "pytest.mark.system" not in text
    ]

    assert unmarked == []


def test_hypothesis_judges_no_time() -> None:
    deadlines = {
        word
        for file in (ROOT / "tests").rglob("*.py")
        for word in re.findall(r"\bdeadline=([\w.]+)", file.read_text())
    }

    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
    assert deadlines == {"None"}


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.db_table)
def test_foreign_keys_have_a_rule_in_the_database(model: type[models.Model]) -> None:
    """docs/lessons.md#lesson-10."""
    relations = [field for field in model._meta.get_fields() if isinstance(field, models.ForeignKey)]

    assert all(
        field.db_constraint and field.remote_field.on_delete in (models.PROTECT, models.CASCADE)
        for field in relations
    )


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.db_table)
def test_no_column_is_a_float(model: type[models.Model]) -> None:
    """docs/lessons.md#lesson-39."""
    assert not [field for field in model._meta.get_fields() if isinstance(field, models.FloatField)]


def test_decimals_are_written_plainly_in_one_place() -> None:
    callers = {file for file in _callers_of("normalize") if not file.startswith("connectors/venue/")}

    assert callers <= {
        "risk/domain/numbers.py",
        "trading/execution/portfolio.py",  # the log's own figures, as they have always been written
        "trading/labels.py",  # with thousands separated, for people
    }


def _sources() -> dict[str, str]:
    return {
        str(file.relative_to(ROOT)): file.read_text()
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
    }


def test_advisory_locks_have_their_numbers_in_one_module() -> None:
    named = {
        int(number, 16)
        for text in _sources().values()
        for number in re.findall(r"^\w*LOCK\w* = (0x[0-9a-fA-F_]+)", text, re.MULTILINE)
    }

    assert named == locks.NUMBERS
    assert len(locks.NUMBERS) == 7


def test_rows_that_many_lock_are_locked_by_named_functions() -> None:
    lock = re.compile(r"\b(Order|AgentStatus|Cycle)\.objects\.select_for_update\(\)")
    theirs = {file for file, text in _sources().items() if lock.search(text)}

    assert theirs <= {"trading/core/row_locks.py", "trading/cycle/cycles.py"}


PRODUCT_FOLDERS = sorted(
    folder
    for room in ROOMS
    for folder in {file.parent for file in (ROOT / room).rglob("*.py")}
    if folder.name != "migrations"
)


@pytest.mark.parametrize("folder", PRODUCT_FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_folder_can_be_overlooked(folder: Path) -> None:
    """Twenty modules at most: one more subject is a folder of its own."""
    assert len(list(folder.glob("*.py"))) <= 20


def test_no_subject_outgrows_the_others() -> None:
    lines: dict[str, int] = {}
    for file in (ROOT / "trading").rglob("*.py"):
        subject = file.relative_to(ROOT / "trading").parts[0]
        if subject != "migrations":
            lines[subject] = lines.get(subject, 0) + len(file.read_text().splitlines())

    assert max(lines.values()) < 0.2 * sum(lines.values()), lines
