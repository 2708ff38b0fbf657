"""What must hold of the code as a whole."""

import ast
import re

import pytest
from django.apps import apps
from django.db import models
from hypothesis import HealthCheck, settings

from tests.paths import ROOT

ROOMS = ("orchestrator_project", "trading", "risk", "ai", "connectors")
STARTS_SYSTEMS = re.compile(
    r"^from (playwright|tests\.forked|tests\.chaos|tests\.e2e(?!\.system import environment$)"
    r"|tests\.trading\.(admin\.browser|api\.server|events\.processes))",
    re.MULTILINE,
)
OURS = [model for model in apps.get_models() if model._meta.app_label in ("trading", "risk", "ai")]


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
    """Lesson 33."""
    callers = {file for file in _callers_of("submit_order") if not file.startswith("connectors/venue/")}

    assert callers == {"trading/orders/submission.py"}


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
    """Lesson 10."""
    relations = [field for field in model._meta.get_fields() if isinstance(field, models.ForeignKey)]

    assert all(
        field.db_constraint and field.remote_field.on_delete in (models.PROTECT, models.CASCADE)
        for field in relations
    )


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.db_table)
def test_no_column_is_a_float(model: type[models.Model]) -> None:
    """Lesson 39."""
    assert not [field for field in model._meta.get_fields() if isinstance(field, models.FloatField)]
