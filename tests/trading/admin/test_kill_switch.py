"""Engage and release from the console: who may, what happens, what is said."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from risk.models import KillSwitch
from risk.services import switch
from tests.factories import make_agent, make_engagement, make_order, make_position
from tests.trading.outside import Outside
from trading.models import AgentStatus, Event

PAGE = reverse("admin:risk_killswitch_changelist")
ENGAGE = reverse("admin:risk_killswitch_engage")
RELEASE = reverse("admin:risk_killswitch_release")
FLATTEN = reverse("admin:risk_killswitch_flatten")


def said(client: Client) -> list[str]:
    return [str(message) for message in client.get(PAGE).context["messages"]]


def test_engage_commits_with_the_operators_name_and_reason(
    login: Callable[..., Client], market: Outside
) -> None:
    client = login("operator")

    answer = client.post(ENGAGE, {"reason": "prices look wrong"})

    engagement = KillSwitch.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert said(client) == ["The kill switch is engaged; 0 open orders asked to be cancelled."]
    assert (engagement.engaged_by, engagement.reason) == (client_name(client), "prices look wrong")
    assert AgentStatus.objects.get(pk=1).trading_state == "halted"


def client_name(client: Client) -> str:
    return str(client.get(PAGE).context["user"].username)


def test_engage_says_what_it_could_not_do(login: Callable[..., Client]) -> None:
    client = login("operator")

    client.post(ENGAGE, {"reason": "stop"})  # no broker answers: there is no venue in this test

    messages = said(client)
    assert switch.is_engaged()
    assert len(messages) == 2
    assert messages[1].startswith("Could not be done, look at it: open orders could not be read")


def test_engaging_twice_says_so_and_keeps_one_engagement(login: Callable[..., Client]) -> None:
    client = login("operator")
    make_engagement(reason="the first")

    client.post(ENGAGE, {"reason": "the second"})

    assert said(client)[0].startswith("The kill switch was engaged already")
    assert [e.reason for e in KillSwitch.objects.all()] == ["the first"]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_engage_without_a_usable_reason_does_nothing(reason: str, login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-5: what is posted is validated."""
    page = login("operator").post(ENGAGE, {"reason": reason})

    assert page.status_code == 200
    assert page.context["form"].errors["reason"]
    assert not switch.is_engaged()


def test_release_needs_a_reason_and_records_it(login: Callable[..., Client]) -> None:
    client = login("risk officer")
    make_engagement()

    refused = client.post(RELEASE, {"reason": ""})
    assert "expected why" in refused.context["form"].errors["reason"][0]
    assert switch.is_engaged()

    client.post(RELEASE, {"reason": "cause found"})
    engagement = KillSwitch.objects.get()
    assert (engagement.released_by, engagement.release_reason) == (client_name(client), "cause found")
    assert not switch.is_engaged()


def test_release_of_a_released_switch_says_so(login: Callable[..., Client]) -> None:
    client = login("risk officer")

    client.post(RELEASE, {"reason": "why not"})

    assert said(client) == ["Nothing was done: the kill switch is not engaged."]


def test_flatten_is_offered_only_while_engaged(login: Callable[..., Client]) -> None:
    client = login("operator")

    client.post(FLATTEN, {"confirmed": "on"})

    assert "only while the switch is engaged" in said(client)[0]
    assert not Event.objects.filter(aggregate_type="order").exists()


def test_flatten_needs_the_tick_and_reports(login: Callable[..., Client], market: Outside) -> None:
    client = login("operator")
    make_engagement()

    refused = client.post(FLATTEN, {})
    client.post(FLATTEN, {"confirmed": "on"})

    assert refused.context["form"].errors["confirmed"] == ["Tick “I want this” to confirm; nothing was done."]
    assert said(client) == ["Ordered to be sold: nothing."]


@pytest.mark.parametrize(
    "url",
    [
        reverse("admin:index"),
        PAGE,
        reverse("admin:trading_order_changelist"),
        reverse("admin:trading_agentstatus_mode"),
        reverse("admin:trading_approval_queue"),
        reverse("admin:password_change"),
        reverse("admin:auth_user_add"),
        reverse("admin:django_celery_beat_periodictask_changelist"),
    ],
)
def test_red_banner_on_every_page_while_engaged(url: str, login: Callable[..., Client]) -> None:
    client = login()
    make_engagement(reason="<script>alert(1)</script>", engaged_by="ada")

    page = client.get(url).content.decode()

    assert 'id="banner-engaged"' in page
    assert "By ada" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


def test_yellow_banner_with_the_reason_while_reducing(login: Callable[..., Client]) -> None:
    client = login("viewer")
    make_agent(trading_state="reducing")
    Event.objects.create(
        aggregate_type="agent",
        aggregate_id="1",
        sequence=1,
        type="agent.trading_state_set",
        payload={"from": "active", "to": "reducing", "reason": "three model failures"},
    )

    page = client.get(reverse("admin:trading_cycle_changelist")).content.decode()

    assert 'id="banner-reducing"' in page
    assert "Three model failures" in page


def test_engage_is_one_click_away_on_every_page_for_those_who_may(login: Callable[..., Client]) -> None:
    operator, viewer = login("operator"), login("viewer")

    for url in (reverse("admin:index"), reverse("admin:trading_order_changelist")):
        assert f'href="{ENGAGE}"' in operator.get(url).content.decode()
        assert f'href="{ENGAGE}"' not in viewer.get(url).content.decode()


def test_login_page_tells_strangers_nothing(prepared: None) -> None:
    make_engagement(reason="a secret reason")

    page = Client().get(reverse("admin:login")).content.decode()

    assert "a secret reason" not in page


def test_automatic_engagement_shows_its_trigger_and_figures(login: Callable[..., Client]) -> None:
    make_engagement(
        trigger="daily_loss_limit", engaged_by="system", figures={"daily_loss_percent": "5.2134567"}
    )

    page = login("viewer").get(reverse("admin:trading_order_changelist")).content.decode()

    assert "automatically: <b>daily loss limit</b>" in page
    assert "daily loss percent <b>5.213457</b>" in page


def test_positions_without_a_stop_are_named_while_engaged(login: Callable[..., Client]) -> None:
    """docs/lessons.md#lesson-37: a stop for a part of a position does not protect it."""
    client = login("viewer")
    make_position("AAPL", quantity=Decimal(10))
    make_position("NVDA", quantity=Decimal(10))
    make_position("TSLA", quantity=Decimal(10))
    for symbol, quantity in (("NVDA", 10), ("TSLA", 4)):
        make_order(
            symbol=symbol,
            side="sell",
            purpose="stop_loss",
            status="accepted",
            quantity=Decimal(quantity),
            broker_order_id=symbol,
        )
    assert "banner-unprotected" not in client.get(PAGE).content.decode()

    make_engagement()

    page = client.get(PAGE).content.decode()
    assert "2 held without a stop at the broker" in page
    assert "<b>AAPL, TSLA</b>" in page
