"""Pause entries: by whom and why, told once, idempotent, and kept."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from tests.factories import make_agent
from trading.errors import GuardError
from trading.guards.pause import entries_pause, pause_entries, resume_entries
from trading.models import Event

pytestmark = pytest.mark.django_db


def test_pause_says_who_and_why_and_the_same_again_changes_nothing() -> None:
    make_agent(mode="autonomous")

    first = pause_entries(actor="ada", reason=" earnings ")
    again = pause_entries(actor="bob", reason="another")

    assert (first.is_paused, first.author, first.reason) == (True, "ada", "earnings")
    assert again == first == entries_pause()
    (event,) = Event.objects.all()
    assert (event.type, event.payload) == ("agent.entries_paused", {"actor": "ada", "reason": "earnings"})


def test_resume_ends_it_once() -> None:
    make_agent(mode="autonomous")
    pause_entries(actor="ada", reason="earnings")

    said = resume_entries(actor="bob", reason="over")
    resume_entries(actor="bob")

    assert (said.is_paused, said.author, said.reason, said.since) == (False, "", "", None)
    types = list(Event.objects.order_by("sequence").values_list("type", flat=True))
    assert types == ["agent.entries_paused", "agent.entries_resumed"]


@pytest.mark.parametrize(("actor", "reason"), [("ada", " "), (" ", "why")])
def test_pause_needs_its_author_and_a_reason(actor: str, reason: str) -> None:
    make_agent(mode="autonomous")

    with pytest.raises(GuardError, match=r"^reason: was empty"):
        pause_entries(actor=actor, reason=reason)

    assert not entries_pause().is_paused


def said(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue().strip()


def test_command_pauses_resumes_and_says_how_it_stands() -> None:
    make_agent(mode="autonomous")

    assert said("entries", "status") == "not paused"
    told = json.loads(said("entries", "pause", "--reason", "earnings", "--json"))
    assert (told["paused"], told["reason"]) == (True, "earnings")
    assert told["by"].endswith(" (command line)")
    assert said("entries", "status").endswith(": earnings")
    assert said("guards").startswith("entries paused by ")
    assert said("entries", "resume") == "not paused"
    with pytest.raises(CommandError, match="reason: was empty"):
        call_command("entries", "pause")
