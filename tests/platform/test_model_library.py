"""No process loads what it never uses: litellm (160 MB, 2 s) is for the analyst's child, the console for the web."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(
    path.stem
    for path in (ROOT / "orchestrator_project/management/commands").glob("*.py")
    if path.stem[0] != "_"
)
PACKAGE = "orchestrator_project.management.commands"
SETUP = "import django; django.setup(); "
ENTRIES = {
    "web": "import orchestrator_project.asgi, orchestrator_project.urls",
    "worker, analyst and beat": (
        "from orchestrator_project.celery import app; app.loader.import_default_modules(); import trading.tasks"
    ),
    "every command": SETUP + "; ".join(f"import {PACKAGE}.{name}" for name in COMMANDS),
}


def loaded_by(code: str, module: str = "litellm") -> str:
    """Return whether a fresh interpreter has the module after running ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print('{module}' in sys.modules)"],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "orchestrator_project.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("entry", list(ENTRIES))
def test_no_entry_imports_the_model_library(entry: str) -> None:
    assert loaded_by(ENTRIES[entry]) == "False"


def test_the_look_would_see_it() -> None:
    assert loaded_by(f"{SETUP}from ai import gateway; gateway.load()") == "True"


@pytest.mark.parametrize(("entry", "expected"), zip(ENTRIES, ("True", "False", "False"), strict=True))
def test_only_the_web_process_loads_the_console(entry: str, expected: str) -> None:
    assert loaded_by(ENTRIES[entry], "trading.admin") == expected


def test_checks_of_the_project_look_at_the_console() -> None:
    check = f"{SETUP}from django.core.management import call_command; call_command('check')"
    assert loaded_by(check, "trading.admin") == "True"
