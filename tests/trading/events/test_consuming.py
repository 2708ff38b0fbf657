"""The consumers' library: once, and what cannot be taken is put where a person sees it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from connectors.text import storable
from trading.core.work import Work
from trading.domain.events.incoming import IncomingEvent
from trading.errors import BadEventError
from trading.events import consuming
from trading.events.consuming import Subscription, take
from trading.models import HandledEvent, ParkedEvent

pytestmark = pytest.mark.django_db


def message(n: int | None = None, /, **changes: Any) -> str:
    """Return an event as it comes; ``n`` makes it the n-th of the aggregate order/1."""
    event: dict[str, Any] = {"specversion": "1.0", "id": f"e{n}", "source": "urn:x", "type": "t", "data": {}}
    if n is not None:
        event |= {"subject": "order/1", "sequence": f"{n:010d}"}
    return json.dumps(event | changes)


class Effects:
    """Records what a handler was given; ``error`` is raised instead, once for each entry."""

    def __init__(self, *errors: Exception, **options: Any) -> None:
        self.had: list[str] = []
        self.errors = list(errors)
        self.subscription = Subscription("test", {"*": self._handle}, **options)

    def _handle(self, event: IncomingEvent) -> list[Work]:
        if self.errors:
            raise self.errors.pop(0)
        self.had.append(event.id)
        return []

    def take(self, *texts: str) -> None:
        for text in texts:
            take(self.subscription, text)


def test_repeat_has_no_second_effect() -> None:
    effects = Effects()

    effects.take(message(), message(), message(source="urn:y"))

    assert effects.had == ["eNone", "eNone"]
    assert set(HandledEvent.objects.values_list("source", flat=True)) == {"urn:x", "urn:y"}


def test_what_a_crash_interrupts_is_had_when_it_comes_again() -> None:
    effects = Effects(OperationalError("gone"))

    with pytest.raises(OperationalError, match="gone"):
        effects.take(message(1))
    assert not HandledEvent.objects.exists()
    effects.take(message(1))

    assert effects.had == ["e1"]


def test_event_waits_for_no_earlier_one_of_its_aggregate() -> None:
    effects = Effects()

    effects.take(message(3), message(1), message(3))

    assert effects.had == ["e3", "e1"]
    assert HandledEvent.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no json", "body: is no JSON"),
        ("[" * 100_000, "body: is no JSON"),
        ('{"specversion": "1.0", "data": {"x": NaN}}', "body: is no JSON: NaN"),
        ("[]", "body: was no JSON object"),
        ("half an emoji \ud83d and \x00", "body: is no JSON"),
        (message(specversion="0.3"), "specversion: was '0.3'"),
        (message(data=None), "data: was None, expected an object"),
        (message(id=""), "id: was ''"),
        (message(source="a\x00b"), "source: was 'a\\x00b'"),
        (message(1, sequence="0"), "sequence: was '0'"),
        (message(1, sequence=True), "sequence: was True"),
        (message(time="yesterday"), "time: was 'yesterday'"),
        (message(time="2026-01-01T00:00:00"), "time: was '2026-01-01T00:00:00'"),
    ],
)
def test_message_that_is_no_event_is_parked_once_with_what_is_wrong(text: str, error: str) -> None:
    effects = Effects()

    effects.take(text, text)

    assert effects.had == []
    assert error in ParkedEvent.objects.get().error


@pytest.mark.parametrize(
    "error",
    [
        BadEventError("data.x", "was 1, expected 2"),
        ZeroDivisionError("oops"),
        ValueError("\x00, half \ud83d"),
    ],
)
def test_event_that_cannot_be_taken_is_parked_and_the_next_goes_on(error: Exception) -> None:
    effects = Effects(error)

    effects.take(message(1), message(2), message(1))

    assert effects.had == ["e2"]
    assert storable(str(error)) in ParkedEvent.objects.get().error
    assert HandledEvent.objects.get(event_id="e1").outcome == "parked"


def test_events_of_the_ignored_source_leave_no_trace() -> None:
    effects = Effects(ignored_source="urn:x")

    effects.take(message(1))

    assert effects.had == []
    assert not HandledEvent.objects.exists()


def test_what_is_too_old_to_come_again_is_forgotten() -> None:
    effects = Effects()
    effects.take(message(1))
    HandledEvent.objects.update(handled_at=timezone.now() - timedelta(days=31))

    assert consuming.forget_old() == 1


class TestAnyOrder(TestCase):
    """Whatever the order and the repeats, each effect is had once, as the transport delivers."""

    @settings(max_examples=15, deadline=None)
    @given(
        st.permutations(range(1, 7)).flatmap(
            lambda order: st.lists(st.sampled_from(order), max_size=4).map(lambda again: [*order, *again])
        )
    )
    def test_any_order_with_repeats_has_each_once_as_delivered(self, order: list[int]) -> None:
        effects = Effects()

        effects.take(*(message(n) for n in order))

        assert effects.had == [f"e{n}" for n in dict.fromkeys(order)]
