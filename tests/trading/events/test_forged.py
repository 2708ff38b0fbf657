"""Whoever can publish can use any name: what comes in ours without our signature tells nobody anything."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from tests.factories import make_parked_event
from tests.trading.events.load import write_event
from trading.events import consuming, notifying, outbox
from trading.events.consuming import take
from trading.events.signing import is_genuine, signed
from trading.events.subscriptions import our_subscription
from trading.models import HandledEvent, NoticeMessage, NoticeTopic, ParkedEvent

pytestmark = pytest.mark.django_db


def published() -> dict[str, Any]:
    """Return an event as the relay publishes it: the switch was engaged."""
    write_event("forged")
    row = outbox.next_batch()[-1]
    return outbox.published_form(row, source=outbox.our_source())


def told() -> int:
    notifying.make_messages()
    return NoticeMessage.objects.count() + NoticeTopic.objects.count()


def test_our_event_is_told() -> None:
    take(notifying.our_notices(), json.dumps(published()))

    assert told()
    assert not ParkedEvent.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": None},
        {"signature": ""},
        {"signature": "x" * 43},
        {"signature": 7},
        {"id": "another"},
        {"time": "2030-01-01T00:00:00+00:00"},
        {"type": "risk.kill-switch.released"},
        {"data": {"actor": "ann", "reason": "all is well", "trigger": "operator"}},
        {"more": "x"},
    ],
)
@pytest.mark.parametrize("subscription", [notifying.our_notices, our_subscription])
def test_changed_event_in_our_name_is_parked_and_never_told(
    changes: dict[str, Any], subscription: Any
) -> None:
    forged = published() | changes

    take(subscription(), json.dumps(forged))

    parked = ParkedEvent.objects.get()
    assert parked.error.startswith("source: is this installation, but its signature is not")
    assert parked.body == json.dumps(forged)
    assert not told()


def test_forgery_that_comes_first_does_not_take_the_place_of_ours() -> None:
    ours = published()
    take(notifying.our_notices(), json.dumps(ours | {"data": {}}))

    take(notifying.our_notices(), json.dumps(ours))

    assert told()
    assert HandledEvent.objects.filter(event_id=ours["id"]).exists()


def test_signature_lasts_on_the_way_and_is_nobody_elses(settings: Settings) -> None:
    ours = published()
    on_the_way = json.dumps(dict(reversed(list(ours.items()))), indent=2)
    with_numbers = json.dumps(signed({"confidence": 0.1 + 0.2, "n": 10**20, "text": "naïve – 東"}))

    assert is_genuine(on_the_way)
    assert is_genuine(with_numbers)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 8, [settings.SECRET_KEY]
    assert is_genuine(on_the_way), "a key may be changed"
    settings.SECRET_KEY_FALLBACKS = []
    assert not is_genuine(on_the_way)


def test_others_need_no_signature() -> None:
    theirs = {"specversion": "1.0", "id": "1", "source": "urn:else", "type": "x", "data": {}}

    take(our_subscription(), json.dumps(theirs))

    assert not ParkedEvent.objects.exists()


def test_parked_messages_cannot_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, "PARKED_KEPT", 3)
    for number in range(5):
        take(our_subscription(), f"no event {number}")
    take(our_subscription(), "x" * (consuming.LONGEST_BODY + 1))

    kept = list(ParkedEvent.objects.order_by("parked_at").values_list("body", flat=True))
    assert kept[:2] == ["no event 3", "no event 4"]
    assert len(kept) == 3
    assert len(kept[2]) < consuming.KEPT_OF_TOO_LONG + 100
    assert kept[2].endswith(f"(it had {consuming.LONGEST_BODY + 1} characters)")


def test_old_parked_messages_are_forgotten() -> None:
    old, new = make_parked_event(), make_parked_event()
    ParkedEvent.objects.filter(pk=old.pk).update(
        parked_at=timezone.now() - consuming.REMEMBERED - timedelta(hours=1)
    )

    consuming.forget_old()

    assert list(ParkedEvent.objects.all()) == [new]
