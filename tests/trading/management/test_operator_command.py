"""What an operator asks for is done at once: no look at the whole project comes before it."""

from collections.abc import Iterator

import pytest
from django.core import checks
from django.core.checks.registry import registry
from django.core.management import get_commands, load_command_class

from trading.management.operator_command import OperatorCommand

COMMANDS = sorted(name for name, app in get_commands().items() if app == "trading")


@pytest.fixture
def looks() -> Iterator[list[object]]:
    """Each look at the project, as it happens."""
    seen: list[object] = []

    def look(app_configs: object, **_: object) -> list[checks.CheckMessage]:
        seen.append(app_configs)
        return []

    checks.register(look)
    yield seen
    registry.registered_checks.remove(look)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_room_is_an_operators(name: str) -> None:
    assert isinstance(load_command_class("trading", name), OperatorCommand)


@pytest.mark.parametrize("more", [[], ["--skip-checks"]], ids=["as it is", "said"])
def test_project_is_not_looked_at_first(prepared: None, looks: list[object], more: list[str]) -> None:
    command = load_command_class("trading", "mode")
    options = vars(command.create_parser("manage.py", "mode").parse_args([*more, "--json"]))

    command.execute(**options)

    assert looks == []


def test_looks_are_seen(looks: list[object]) -> None:
    checks.run_checks()

    assert len(looks) == 1
