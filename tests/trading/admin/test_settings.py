"""Settings in groups, what differs from the default marked; a change of them, or of limits, taken back by one click."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from uuid6 import uuid7

from risk.models import RiskLimits
from tests.factories import make_limits
from trading.core.settings import set_runtime_setting
from trading.domain.settings.groups import GROUPS
from trading.models import Event, RuntimeSetting

Login = Callable[..., Client]
LIST = "admin:trading_runtimesetting_changelist"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def change(name: str, value: str, *, actor: str = "ann", reason: str = "to see") -> UUID:
    set_runtime_setting(name=name, value=value, actor=actor, reason=reason)
    return Event.objects.filter(type="setting.changed", aggregate_id=name).latest("sequence").pk


def undo(client: Client, name: str, pk: object) -> str:
    url = reverse("admin:trading_runtimesetting_undo", args=[name])
    return text_of(client.post(url, {"change": str(pk)}, follow=True))


def test_settings_stand_in_their_groups_and_say_what_differs(login: Login) -> None:
    change("max_coins", "4")
    page = login("viewer").get(reverse(LIST))

    assert [group.title for group, _ in page.context["groups"]] == [group.title for group in GROUPS]
    differ = [line.row.name for _, lines in page.context["groups"] for line in lines if line.default]
    assert differ == ["max_coins"]
    assert "by default 20" in text_of(page)
    assert "<del>20</del> → <ins>4</ins>" in text_of(page)


def test_search_leaves_the_groups_that_have_something(login: Login) -> None:
    page = login("viewer").get(reverse(LIST), {"q": "max_coins"})

    assert [line.row.name for _, lines in page.context["groups"] for line in lines] == ["max_coins"]


def test_page_of_settings_is_few_queries(login: Login) -> None:
    client = login("risk officer")
    client.get(reverse(LIST))

    with CaptureQueriesContext(connection) as captured:
        client.get(reverse(LIST))

    assert len(captured) <= 12


def test_newest_change_is_taken_back_by_one_click_and_logged(login: Login) -> None:
    client = login("risk officer")
    actor = User.objects.get(pk=client.session["_auth_user_id"]).username
    pk = change("max_coins", "4", reason="fewer")
    page = text_of(client.get(reverse("admin:trading_runtimesetting_change", args=["max_coins"])))
    assert f'name="change" value="{pk}"' in page

    said = undo(client, "max_coins", pk)

    assert "max_coins is 20 again." in said
    assert RuntimeSetting.objects.get(pk="max_coins").value == "20"
    newest = Event.objects.filter(type="setting.changed").latest("sequence")
    assert (newest.payload["from"], newest.payload["to"], newest.payload["actor"]) == ("4", "20", actor)
    assert newest.payload["reason"].startswith("taken back: the change of ")
    assert newest.payload["reason"].endswith(" by ann")


def test_change_that_was_changed_since_stays(login: Login) -> None:
    client = login("risk officer")
    first = change("max_coins", "4")
    change("max_coins", "5")

    assert "Nothing was done: max_coins: is 5 by now, expected 4" in undo(client, "max_coins", first)
    assert RuntimeSetting.objects.get(pk="max_coins").value == "5"


@pytest.mark.parametrize("pk", ["no id", "", uuid7()])
def test_what_is_no_change_of_the_setting_changes_nothing(pk: object, login: Login) -> None:
    client = login("risk officer")
    other = change("max_stocks", "100")

    for tried in (pk, other):
        assert "Nothing was done" in undo(client, "max_coins", tried)
    assert RuntimeSetting.objects.get(pk="max_coins").value == "20"
    assert RuntimeSetting.objects.get(pk="max_stocks").value == "100"


def test_viewer_is_offered_no_way_back(login: Login) -> None:
    change("max_coins", "4")

    page = text_of(login("viewer").get(reverse("admin:trading_runtimesetting_change", args=["max_coins"])))

    assert "<del>20</del> → <ins>4</ins>" in page
    assert "Take back" not in page


def test_limits_before_are_put_in_force_again_as_a_version(login: Login) -> None:
    before = RiskLimits.objects.latest("version")
    make_limits(max_positions=before.max_positions + 3)
    client = login("risk officer")
    url = reverse("admin:risk_risklimits_restore", args=[before.pk])
    assert f'action="{url}"' in text_of(client.get(reverse("admin:risk_risklimits_changelist")))

    said = text_of(client.post(url, follow=True))

    newest = RiskLimits.objects.latest("version")
    assert f"are in force again, as version {newest.version}." in said
    assert (newest.version, newest.max_positions) == (before.version + 2, before.max_positions)
    assert newest.note == f"version {before.version + 1} taken back: the figures of version {before.version}"


def test_limits_that_are_not_there_change_nothing(login: Login) -> None:
    client = login("risk officer")

    said = text_of(client.post(reverse("admin:risk_risklimits_restore", args=["99"]), follow=True))

    assert "Nothing was done" in said
    assert RiskLimits.objects.count() == 1
