"""What was typed as a reason outlives a login in between; the answer itself does not."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.factories import make_agent, make_approval, make_decision, make_user
from tests.trading.admin.browser.conftest import PASSWORD
from trading.models import Approval, RuntimeSetting

pytestmark = pytest.mark.system

Enter = Callable[[str], Page]
KEPT = "Kept from before you logged in. Nothing was done with it."


def log_in(page: Page, name: str) -> None:
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


def test_reason_of_a_setting_is_there_again_after_the_login(enter: Enter) -> None:
    page = enter("risk officer")
    name = User.objects.latest("pk").username
    before = RuntimeSetting.objects.get(pk="max_coins").value
    root = page.url.split("/admin/")[0]
    page.goto(root + reverse("admin:trading_runtimesetting_change", args=["max_coins"]))
    page.fill("[name=value]", "3")
    page.fill("[name=reason]", "fewer coins")
    Session.objects.all().delete()

    page.click("[name=_save]")
    log_in(page, name)

    expect(page.locator("[name=reason]")).to_have_value("fewer coins")
    expect(page.get_by_text(KEPT)).to_be_visible()
    assert RuntimeSetting.objects.get(pk="max_coins").value == before
    page.click("[name=_save]")  # the value is the stored one again
    page.goto(root + reverse("admin:trading_runtimesetting_change", args=["max_coins"]))
    expect(page.locator("[name=reason]")).to_have_value("")


def test_reason_of_a_rejection_is_there_again_and_nothing_is_answered(enter: Enter) -> None:
    make_agent(mode="semi_auto")
    approval = make_approval(decision=make_decision(status="awaiting_approval"))
    page = enter("operator")
    name = User.objects.latest("pk").username
    page.goto(page.url.split("/admin/")[0] + reverse("admin:trading_approval_queue"))
    card = page.locator(f"#approval-{approval.pk}")
    card.locator("[name=reason]").fill("too risky, thin book")
    page.context.clear_cookies()

    card.get_by_role("button", name="Reject").click()
    page.get_by_role("link", name="Log in").click()
    log_in(page, name)

    expect(page.locator(f"#approval-{approval.pk} [name=reason]")).to_have_value("too risky, thin book")
    expect(page.get_by_text(KEPT)).to_be_visible()
    assert Approval.objects.get(pk=approval.pk).status == "requested"


def test_what_somebody_else_typed_is_not_shown(enter: Enter) -> None:
    page = enter("risk officer")
    other = make_user(group="risk officer")
    root = page.url.split("/admin/")[0]
    page.goto(root + reverse("admin:trading_runtimesetting_change", args=["max_coins"]))
    page.fill("[name=reason]", "mine alone")
    Session.objects.all().delete()

    page.click("[name=_save]")
    log_in(page, other.username)

    expect(page.locator("[name=reason]")).to_have_value("")
