"""*Ask again …*: what it takes is said before anything is asked, and confirmed where anything is."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.models import Run
from tests.ai.chat_server import ChatServer
from tests.evaluation.admin.conftest import OTHER
from tests.factories import make_decision
from tests.trading.outside import STOCK
from trading.models import AIDecision, Cycle

Login = Callable[..., Client]
AS_IT_WAS = {"samples": "1", "answers": "replay", "instructions": "Follow what rises."}


@pytest.fixture
def decision(prepared: None, cycle: Cycle) -> AIDecision:
    return AIDecision.objects.get(symbol=STOCK, cycle=cycle)


def page_of(decision: AIDecision) -> str:
    return reverse("admin:evaluation_run_ask", args=[decision.pk])


def test_button_stands_on_the_decisions_page_of_whoever_may(login: Login, decision: AIDecision) -> None:
    url = reverse("admin:trading_aidecision_change", args=[decision.pk])

    assert page_of(decision) in login("operator").get(url).content.decode()
    assert page_of(decision) not in login("viewer").get(url).content.decode()


def test_what_costs_is_said_and_confirmed_before_it_is_asked(
    login: Login, decision: AIDecision, chat_server: ChatServer
) -> None:
    client, before = login("operator"), len(chat_server.requests)
    asked = AS_IT_WAS | {"models": OTHER}

    said = client.post(page_of(decision), asked)

    page = said.content.decode()
    assert "<b>0</b> of 1 requests are known" in page
    assert "The day&#x27;s purse" in page or "The day's purse" in page
    assert not Run.objects.exists()
    seen = str(said.context["estimate"].most_usd)
    unconfirmed = client.post(page_of(decision), asked | {"seen": seen})
    otherwise = client.post(page_of(decision), asked | {"seen": "0.1", "confirmed": "on"})
    assert {unconfirmed.status_code, otherwise.status_code} == {200}
    assert not Run.objects.exists()

    ordered = client.post(page_of(decision), asked | {"seen": seen, "confirmed": "on"})

    run = Run.objects.get()
    assert ordered.headers["Location"] == reverse("admin:evaluation_run_change", args=[run.pk])
    assert run.experiment.spec["variation"]["models"] == [OTHER]
    assert run.experiment.spec["variation"]["instructions"] is None, "they are as they were"
    assert run.in_background
    assert len(chat_server.requests) == before


def test_what_costs_nothing_begins_at_once(login: Login, decision: AIDecision) -> None:
    client = login("operator")

    client.post(page_of(decision), AS_IT_WAS)
    client.post(page_of(decision), AS_IT_WAS | {"limits": "max_positions=20", "threshold": "0.5"})

    same, other = Run.objects.order_by("created_at")
    assert same.progress["estimate"]["requestsToAsk"] == 0
    assert other.experiment.spec["variation"]["limits"] == {"max_positions": "20"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"models": "gpt"}, "model: was &#x27;gpt&#x27;, expected"),
        ({"limits": "max_postions=3"}, "did you mean max_positions?"),
        ({"threshold": "2"}, "expected a number from 0 to 1"),
        ({"stops": "stop_percent=0"}, "expected a number above 0"),
        ({"samples": "0"}, "greater than or equal to 1"),
        ({"temperature": "3"}, "less than or equal to 2"),
        ({"strategy": "Nobody@1"}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_taken_is_said_beside_its_field(
    login: Login, prepared: None, said: dict[str, Any], words: str
) -> None:
    decision = make_decision()

    page = login("operator").post(page_of(decision), AS_IT_WAS | said).content.decode()

    assert words in page
    assert not Run.objects.exists()


def test_decision_that_is_forgotten_leads_to_the_list(login: Login) -> None:
    url = reverse("admin:evaluation_run_ask", args=["0199d2b0-0000-7000-8000-000000000000"])

    assert login("operator").get(url).headers["Location"] == reverse("admin:trading_aidecision_changelist")
