"""``manage.py help``: our commands first, in the order of use, a sentence each; Django's own after them."""

import textwrap
from collections.abc import Iterator, Mapping

from django.core.management import get_commands, load_command_class

WIDTH = 100
# By use; tests/orchestrator_project/runtime/test_help.py holds that every command of ours stands here once.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Start and look": ("up", "doctor", "follow", "performance"),
    "Stop": ("kill_switch", "entries", "lock", "unlock", "guards"),
    "Act": ("run_cycle", "mode", "propose", "withdraw", "close", "stop", "reconcile", "strategy"),
    "Is the agent any good": ("calibrate", "shadow", "replay", "dataset"),
    "Set up": ("prepare", "api_token", "notify", "lift_login_pauses"),
    "Processes that `up` starts": (
        "sweeper",
        "listen_trade_updates",
        "relay_events",
        "consume_events",
        "evaluator",
        "venue",
    ),
    "For whoever changes the code": ("architecture", "openapi", "event_schemas"),
}
ROOMS = frozenset({"orchestrator_project", "evaluation", "trading", "risk", "ai", "connectors"})


def lines() -> Iterator[str]:
    """Yield the help of the whole program."""
    homes = get_commands()
    yield "Trading Orchestrator: an AI agent trades on paper accounts; you watch, approve, and stop it."
    yield "\nmanage.py COMMAND --help says more of each. The first: `manage.py up`, or `make demo`.\n"
    for title, names in GROUPS.items():
        yield f"{title}:"
        for name in names:
            yield from _entry(name, _sentence(homes[name], name))
        yield ""
    others = sorted(name for name, home in homes.items() if home not in ROOMS)
    yield "Django's and its libraries' own:"
    yield from textwrap.wrap(", ".join(others), WIDTH, initial_indent="  ", subsequent_indent="  ")


def _sentence(home: object, name: str) -> str:
    command = load_command_class(home, name) if isinstance(home, str) else home
    return " ".join(str(getattr(command, "help", "")).split())


def _entry(name: str, words: str) -> list[str]:
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent=f"  {name:<22}",
        subsequent_indent=" " * 24,
        break_on_hyphens=False,
    )
