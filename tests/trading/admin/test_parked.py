"""Parked messages in the console: seen by those who may look, replayed by those who may, and by nobody else."""

import json
from collections.abc import Callable

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from tests.factories import make_asset, make_parked_event, make_strategy
from tests.trading.events.load import proposal
from trading.models import ParkedEvent, TradeProposal

PAGE = "admin:trading_parkedevent_changelist"


def parked() -> ParkedEvent:
    """A proposal that was parked for its strategy, which has come since."""
    make_asset("AAPL")
    make_strategy(name="Outside")
    event = proposal(7)
    return make_parked_event(body=json.dumps(event), source=event["source"], event_id=event["id"])


def replay(client: Client, row: ParkedEvent) -> list[str]:
    asked = {"action": "replay_selected", "_selected_action": [str(row.pk)]}
    return [str(m) for m in get_messages(client.post(reverse(PAGE), asked).wsgi_request)]


@pytest.mark.parametrize("group", ["operator", "risk officer"])
def test_those_who_may_replay_and_are_recorded(group: str, login: Callable[..., Client]) -> None:
    client, row = login(group), parked()

    said = replay(client, row)

    row.refresh_from_db()
    assert said == ["proposal-7: handled"]
    assert (row.status, row.replays) == ("handled", 1)
    assert row.replayed_by is not None
    assert str(row.replayed_by.pk) == client.session["_auth_user_id"]
    assert TradeProposal.objects.count() == 1


def test_viewer_sees_what_was_wrong_and_replays_nothing(login: Callable[..., Client]) -> None:
    client, row = login("viewer"), parked()

    page = client.get(reverse(PAGE)).content.decode()
    replay(client, row)

    assert row.error in page
    assert "replay_selected" not in page
    assert not TradeProposal.objects.exists()
    assert ParkedEvent.objects.get().status == "parked"


def test_what_is_still_wrong_is_said(login: Callable[..., Client]) -> None:
    client, row = login("operator"), make_parked_event(body="rubbish")

    (said,) = replay(client, row)

    assert "still parked: body: is no JSON" in said
