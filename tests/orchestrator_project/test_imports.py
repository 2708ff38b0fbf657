"""No process loads what it never uses: litellm (160 MB, 2 s) is for calls of language models, apprise (21 MB, 2 s) for
the thread that sends notices, the console for the web process."""

import os
import subprocess
import sys

import pytest

from tests.paths import ROOT

COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in ROOT.glob("*/management/commands/*.py")
    if path.stem[0] != "_"
)
SETUP = "import django; django.setup(); "
CONSOLE = "trading.admin"
WATCHED = ("litellm", "apprise", CONSOLE)
LOADED = "loaded:"
# What an entry loads is its own: it begins where none of it is loaded, with all else that it needs.
FORK = "import os, sys; sys.stdout.flush(); child = os.fork()\nif child: assert os.waitpid(child, 0)[1] == 0\nelse:"
END = "; sys.stdout.flush(); os._exit(0)"
LOOK = f"import sys; print({LOADED!r}, *(name for name in {WATCHED} if name in sys.modules))"
ENTRIES = {
    "web": ("import orchestrator_project.asgi, orchestrator_project.urls", {CONSOLE}),
    "worker, analyst and beat": (
        "import os; os.environ['CELERY_SKIP_CHECKS'] = 'true'; from orchestrator_project.celery import app;"
        " app.loader.import_default_modules(); import trading.tasks",
        set(),
    ),
    "every command": (SETUP + "; ".join(f"import {name}" for name in COMMANDS), set()),
    "the built-in analyst, asked and judged": (
        f"{SETUP}from ai import builtin, gateway, routing; from ai.domain.prompt import render_messages;"
        " from ai.domain.request import request_for;"
        " from tests.ai.factories import make_question; from orchestrator_project.runtime.doctor import models;"
        " asked = request_for(builtin.MODEL, render_messages(make_question('AAPL')), response_format=None);"
        " gateway.complete(asked, timeout_seconds=60);"
        " gateway.provider_of(builtin.MODEL); models.analyst()",
        set(),
    ),
    "the model library, so that the look would see it": (
        f"{SETUP}from ai import gateway; gateway.load()",
        {"litellm"},
    ),
    "a notice, likewise": ("from connectors import notices; notices.check('json://127.0.0.1')", {"apprise"}),
    "the project's checks, which look at the console": (
        f"{SETUP}from django.core.management import call_command; call_command('check')",
        {CONSOLE},
    ),
}


NEEDS_NOTHING = [entry for entry, (_, expected) in ENTRIES.items() if not expected]


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    """What is loaded after each entry: those that need none of it one after the other, then each other in a fork."""
    others = [entry for entry in ENTRIES if entry not in NEEDS_NOTHING]
    looks = [f"{ENTRIES[entry][0]}; {LOOK}" for entry in NEEDS_NOTHING]
    looks += [f"{FORK}\n    {ENTRIES[entry][0]}; {LOOK}{END}" for entry in others]
    return dict(zip([*NEEDS_NOTHING, *others], looked("\n".join(looks)), strict=True))


@pytest.mark.parametrize("entry", NEEDS_NOTHING)
def test_entry_loads_none_of_it(entry: str, found: dict[str, set[str]]) -> None:
    assert found[entry] == set()


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry not in NEEDS_NOTHING])
def test_entry_loads_what_it_needs_alone(entry: str, found: dict[str, set[str]]) -> None:
    _, expected = ENTRIES[entry]

    assert found[entry] == expected


def looked(code: str) -> list[set[str]]:
    """Run it in a process of its own and return what each look has found."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "orchestrator_project.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [
        line.removeprefix(LOADED).split() for line in done.stdout.splitlines() if line.startswith(LOADED)
    ]
    return [set(names) for names in found]
