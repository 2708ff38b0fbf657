"""The picture of the rooms in docs/architecture.md: made from the code, current, and right in what it leaves out."""

import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orchestrator_project import rooms


def test_picture_is_checked_in_as_the_code_has_it() -> None:
    """When it fails: `manage.py architecture --write`."""
    document = rooms.FILE.read_text()

    assert rooms.updated(document, rooms.rendered(rooms.read_arrows())) == document


def test_arrow_that_a_longer_way_implies_is_left_out() -> None:
    arrows = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset("d"), "d": frozenset[str]()}

    assert rooms.without_implied(arrows) == arrows | {"a": frozenset("b")}


def test_circle_is_named() -> None:
    arrows = {"a": frozenset("b"), "b": frozenset("a"), "c": frozenset("a")}

    with pytest.raises(ValueError, match=r"in a circle: a, b$"):
        rooms.without_implied(arrows)


def test_every_room_says_what_stands_there() -> None:
    made = rooms.rendered(rooms.read_arrows())

    assert "|  |" not in made


def test_document_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the marks .* are missing"):
        rooms.updated("# Architecture\n", "picture")


def test_without_grimp_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grimp", None)

    with pytest.raises(CommandError, match=r"grimp is not installed.*make install-dev"):
        call_command("architecture")


def test_printed_picture_is_the_one_in_the_document(capsys: Any) -> None:
    call_command("architecture")

    assert capsys.readouterr().out.strip() in rooms.FILE.read_text()
