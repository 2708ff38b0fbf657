"""The decision's page offers to withdraw an approval while that can be done, and says what came of it."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from tests.trading.outside import Outside
from tests.trading.scenes import wish
from trading.models import AIDecision, Approval


def approved() -> AIDecision:
    """Return a decision that a person sent on and no gate has judged yet."""
    decision = wish(status="pending", approved=True)
    assert Approval.objects.get(decision=decision).status == "granted"
    return decision


def test_approval_is_withdrawn_from_the_decisions_page(login: Callable[..., Client], market: Outside) -> None:
    decision, client = approved(), login("operator")
    page = reverse("admin:trading_aidecision_change", args=[decision.pk])
    url = reverse("admin:trading_aidecision_withdraw", args=[decision.pk])
    assert url in client.get(page).content.decode()

    empty = client.post(url, {"reason": ""}).content.decode()
    answered = client.post(url, {"reason": "the wrong one"}, follow=True)

    assert "reason: was empty, expected why" in empty
    assert answered.redirect_chain == [(page, 302)]
    assert "the approval is withdrawn, nothing was sent" in answered.content.decode()
    assert AIDecision.objects.get().status == "expired"
    assert url not in client.get(page).content.decode()


def test_what_comes_too_late_is_said(login: Callable[..., Client], market: Outside) -> None:
    decision, client = wish(status="executed"), login("operator")
    url = reverse("admin:trading_aidecision_withdraw", args=[decision.pk])

    page = client.post(url, {"reason": "the wrong one"}).content.decode()

    assert "Nothing was withdrawn: it was not approved by a person" in page
    assert "the wrong one" in page
