"""The page of a signed link: after a login, or without where that is switched off; it answers once, by POST."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_approval, make_decision
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import ago, price_of, wish
from trading.access.approval_links import NOBODYS, path_of
from trading.core.settings import set_runtime_setting
from trading.models import Approval, MarketSnapshot, Order, UsedLink

Login = Callable[..., Client]


@pytest.fixture
def approval(market: Outside) -> Approval:
    """A request that waits, of a decision that saw an older price."""
    found = make_approval(decision=wish(STOCK, status="awaiting_approval", reasoning="Momentum is up."))
    MarketSnapshot.objects.update(price=price_of(STOCK) * Decimal("0.99"), quoted_at=ago(days=3000))
    return found


@pytest.fixture
def no_login(prepared: None) -> None:
    set_runtime_setting(name="approval_link_login", value="off", actor="ada", reason="a phone")


def test_link_asks_for_a_login_and_leads_back(approval: Approval) -> None:
    path = path_of(approval.decision_id)

    answered = Client().get(path)
    posted = Client().post(path, {"answer": "approve"})

    assert unquote(answered["Location"]) == f"{reverse('admin:login')}?next={path}"
    assert posted["Location"].startswith(reverse("admin:login"))
    assert Approval.objects.get().status == "requested"


def test_viewer_may_not_answer_by_a_link(login: Login, approval: Approval) -> None:
    client, path = login("viewer"), path_of(approval.decision_id)

    assert client.get(path).status_code == 403
    assert client.post(path, {"answer": "approve"}).status_code == 403
    assert Approval.objects.get().status == "requested"


def test_looking_shows_the_price_of_now_and_changes_nothing(login: Login, approval: Approval) -> None:
    client, path = login("operator"), path_of(approval.decision_id)
    before = MarketSnapshot.objects.get()

    pages = [client.get(path) for _ in range(2)]

    assert {page.status_code for page in pages} == {200}
    assert "Momentum is up." in pages[0].content.decode()
    assert pages[0].context["line"].price_now == price_of(STOCK)
    assert MarketSnapshot.objects.get().price == before.price
    assert (Approval.objects.get().status, UsedLink.objects.count()) == ("requested", 0)


@pytest.mark.django_db(transaction=True)
def test_answer_counts_once_in_the_users_name(login: Login, approval: Approval) -> None:
    client, path = login("operator"), path_of(approval.decision_id)

    first = client.post(path, {"answer": "approve"})
    again = client.post(path, {"answer": "reject", "reason": "changed my mind"})

    assert "approved, and the risk gate let it pass" in first.content.decode()
    assert again.status_code == 410
    assert "the link was used already; each answers once" in again.content.decode()
    row = Approval.objects.select_related("answered_by").get()
    assert row.status == "granted"
    assert row.answered_by is not None
    assert row.answered_by.username != NOBODYS
    assert Order.objects.count() == 1


def test_answer_needs_a_token_of_the_page(login: Login, approval: Approval) -> None:
    client = login("operator", enforce_csrf_checks=True)

    assert client.post(path_of(approval.decision_id), {"answer": "approve"}).status_code == 403
    assert Approval.objects.get().status == "requested"


def test_rejection_without_a_reason_uses_nothing_up(login: Login, approval: Approval) -> None:
    client, path = login("operator"), path_of(approval.decision_id)

    asked = client.post(path, {"answer": "reject", "reason": ""})
    rejected = client.post(path, {"answer": "reject", "reason": "too late in the day"})

    assert "reason: was empty, expected why the decision is rejected" in asked.content.decode()
    assert f"buy {STOCK}: rejected." in rejected.content.decode()
    assert Approval.objects.get().reason == "too late in the day"


def test_without_a_price_the_link_stays_good(login: Login, approval: Approval, market: Outside) -> None:
    market.venue.fault(kind="missing_symbol", symbols=[STOCK])
    client, path = login("operator"), path_of(approval.decision_id)

    answered = client.post(path, {"answer": "approve"})

    assert "nothing was done, there is no price of now" in answered.content.decode()
    assert (Approval.objects.get().status, UsedLink.objects.count()) == ("requested", 0)


def test_decision_that_waits_no_more_is_said(login: Login, prepared: None) -> None:
    decision = make_decision()

    page = login("operator").get(path_of(decision.pk))

    assert page.status_code == 410
    assert "the decision waits for nobody any more" in page.content.decode()


def test_where_no_login_is_needed_the_link_itself_answers(approval: Approval, no_login: None) -> None:
    client, path = Client(), path_of(approval.decision_id)
    assert "Momentum is up." in client.get(path).content.decode()

    client.post(path, {"answer": "reject", "reason": "from the beach"})

    row: Any = Approval.objects.select_related("answered_by").get()
    assert (row.status, row.answered_by.username, row.reason) == ("rejected", NOBODYS, "from the beach")


@pytest.mark.parametrize("other", ["", "x"])
def test_cut_link_answers_nothing(approval: Approval, no_login: None, other: str) -> None:
    path = path_of(approval.decision_id)[:-6] + other + "/"

    page = Client().post(path, {"answer": "reject", "reason": "r"})

    assert page.status_code == 410
    assert Approval.objects.get().status == "requested"
