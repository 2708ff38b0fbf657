"""A cycle is asked for from a page: of the universe, of the symbols that are named; what is refused is kept."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_agent, make_asset, make_cycle, make_engagement
from trading.models import Cycle

ASK = reverse("admin:trading_cycle_ask")


def test_cycle_of_one_symbol_is_started_in_the_users_name(login: Callable[..., Client]) -> None:
    make_agent()
    make_asset("NVDA")
    client = login("operator")
    assert 'value="NVDA"' in client.get(f"{ASK}?symbols=NVDA").content.decode()

    answered = client.post(ASK, {"symbols": "nvda"})

    cycle = Cycle.objects.get()
    assert answered["Location"] == reverse("admin:trading_cycle_change", args=[cycle.pk])
    assert (cycle.symbols, cycle.trigger, cycle.status) == (["NVDA"], "console", "running")
    assert cycle.started_by == client.get("/admin/").context["user"].username


@pytest.mark.parametrize(
    ("symbols", "problem"),
    [("NVDA, NOPE", "symbols: NOPE: unknown"), ("NVDA, b?", "symbols: was B?, expected a stock like AAPL")],
)
def test_symbols_that_cannot_be_asked_about_are_named_and_kept(
    login: Callable[..., Client], symbols: str, problem: str
) -> None:
    make_asset("NVDA")

    page = login("operator").post(ASK, {"symbols": symbols}).content.decode()

    assert problem in page
    assert f'value="{symbols}"' in page
    assert not Cycle.objects.exists()


def test_while_a_cycle_runs_no_other_is_started(login: Callable[..., Client]) -> None:
    make_agent()
    make_asset("NVDA")
    make_cycle(status="running")
    client = login("operator")

    assert "A cycle is running now" in client.get(ASK).content.decode()
    page = client.post(ASK, {"symbols": "NVDA"}).content.decode()

    assert "Nothing was started: a cycle is running" in page
    assert Cycle.objects.count() == 1


def test_under_the_kill_switch_nothing_is_asked_and_that_is_said(login: Callable[..., Client]) -> None:
    make_agent()
    make_asset("NVDA")
    make_engagement()
    client = login("operator")

    page = client.post(ASK, {"symbols": "NVDA"}, follow=True).content.decode()

    assert "The kill switch is engaged: the cycle was stored aborted" in page
    assert Cycle.objects.get().status == "aborted"
