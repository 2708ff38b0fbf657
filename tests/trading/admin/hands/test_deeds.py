"""Each page where one looks has what may be done there, for whom it may be done, with the way back."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_agent, make_asset, make_decision, make_position, make_symbol_lock
from trading.guards import pause

OF_AGENT = ["Ask now …", "Propose a trade …", "Pause entries …", "Lock a symbol …", "Reconcile …"]


def test_dashboard_offers_what_the_group_may_do(login: Callable[..., Client]) -> None:
    shown = {
        group: login(group).get(reverse("admin:index")).context["deeds"] for group in ("viewer", "operator")
    }

    assert shown["viewer"] == []
    assert [one.words for one in shown["operator"]] == OF_AGENT
    assert all(one.url.endswith("?next=%2Fadmin%2F") for one in shown["operator"])


def test_paused_entries_are_offered_to_be_resumed(login: Callable[..., Client]) -> None:
    make_agent()
    pause.pause_entries(actor="ada", reason="earnings")

    words = [one.words for one in login("operator").get(reverse("admin:index")).context["deeds"]]

    assert "Resume entries …" in words
    assert "Pause entries …" not in words


@pytest.mark.parametrize("where", ["position", "symbol", "decision"])
def test_page_of_a_held_symbol_offers_all_of_it(login: Callable[..., Client], where: str) -> None:
    make_asset("BTC/USD")
    make_position("BTC/USD")
    decision = make_decision(symbol="BTC/USD")
    url = {
        "position": reverse("admin:trading_position_change", args=["BTC_2FUSD"]),
        "symbol": reverse("admin:trading_symbol", args=["BTC/USD"]),
        "decision": reverse("admin:trading_aidecision_change", args=[decision.pk]),
    }[where]
    client = login("operator")

    page = client.get(url).content.decode()

    for name in ("trading_position_close", "trading_position_stop"):
        assert f"{reverse(f'admin:{name}', args=['BTC/USD'])}?next=" in page
    assert f"{reverse('admin:trading_cycle_ask')}?symbols=BTC%2FUSD&amp;next=" in page
    assert f"{reverse('admin:trading_tradeproposal_propose')}?symbol=BTC%2FUSD&amp;next=" in page
    assert f"{reverse('admin:trading_symbollock_add')}?symbol=BTC%2FUSD&amp;next=" in page
    viewed = login("viewer").get(url).content.decode()
    assert "/close/" not in viewed
    assert "/ask/" not in viewed


def test_locked_symbol_is_unlocked_and_one_is_back_where_one_was(login: Callable[..., Client]) -> None:
    make_asset("NVDA")
    lock = make_symbol_lock("NVDA")
    client = login("operator")
    here = reverse("admin:trading_symbol", args=["NVDA"])
    unlock = reverse("admin:trading_symbollock_unlock", args=["NVDA"])
    assert unlock in client.get(here).content.decode()

    answered = client.post(f"{unlock}?next={here}", {"reason": "over"})

    lock.refresh_from_db()
    assert lock.ended_at is not None
    assert answered["Location"] == here
    assert unlock not in client.get(here).content.decode()


def test_nobody_is_led_to_another_site(login: Callable[..., Client]) -> None:
    make_symbol_lock("NVDA")
    unlock = reverse("admin:trading_symbollock_unlock", args=["NVDA"])

    answered = login("operator").post(f"{unlock}?next=https://example.com/", {"reason": "over"})

    assert answered["Location"] == reverse("admin:trading_symbollock_changelist")
