"""What an operator does in the console, done in a browser."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from risk.models import KillSwitch
from risk.services import switch
from tests.factories import (
    make_agent,
    make_approval,
    make_cycle,
    make_decision,
    make_engagement,
    make_equity,
    make_position,
    make_symbol_lock,
)
from trading.core.modes import current_mode
from trading.models import AIDecision

pytestmark = pytest.mark.system

Enter = Callable[[str], Page]


def test_dashboard_renders_without_a_script_error_or_foreign_request(enter: Enter) -> None:
    make_equity(equity=Decimal(99_000))
    make_equity(equity=Decimal(100_500))
    make_position("NVDA", market_value=Decimal(5_000))
    make_decision(cycle=make_cycle(), symbol="TSLA", status="denied", reason="low_confidence")
    page = enter("viewer")
    complaints: list[str] = []
    foreign: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    origin = page.url.split("/admin")[0]
    page.on("request", lambda r: foreign.append(r.url) if not r.url.startswith((origin, "data:")) else None)
    page.on("response", lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)

    page.reload()

    expect(page.get_by_text("100,500.00").first).to_be_visible()
    expect(page.locator(".tc-chart-line")).to_be_visible()
    expect(page.get_by_text("NVDA", exact=True)).to_be_visible()
    expect(page.get_by_text("local venue, synthetic prices")).to_be_visible()
    assert page.locator(".tc-chart").bounding_box()["width"] > 200  # type: ignore[index]  # it is visible
    assert (complaints, foreign) == ([], [])


def test_operator_engages_in_one_click_and_a_confirmation(enter: Enter) -> None:
    page = enter("operator")

    page.click("#engage-link")
    expect(page.get_by_text("No new order leaves from this moment")).to_be_visible()
    assert not switch.is_engaged()
    page.fill("[name=reason]", "prices look wrong")
    page.click("text=Engage now")

    expect(page.locator("#banner-engaged")).to_contain_text("prices look wrong")
    expect(page.locator("#switch-state")).to_contain_text("Engaged")
    expect(page.locator("#switch-state").get_by_role("link", name="Release", exact=True)).to_have_count(0)
    assert KillSwitch.objects.get().reason == "prices look wrong"


def test_risk_officer_releases_with_a_reason(enter: Enter) -> None:
    page = enter("risk officer")
    page.click("#engage-link")
    page.click("text=Engage now")

    page.locator("#switch-state").get_by_role("link", name="Release", exact=True).click()
    page.click("button:has-text('Release')")
    expect(page.get_by_role("alert").filter(has_text="expected why")).to_be_visible()
    page.fill("[name=reason]", "cause found")
    page.click("button:has-text('Release')")

    expect(page.locator("#switch-state")).to_contain_text("Released")
    expect(page.locator("#banner-engaged")).to_have_count(0)
    assert not switch.is_engaged()


def test_operator_changes_the_mode(enter: Enter) -> None:
    page = enter("operator")

    page.click("#standing a:has-text('Mode')")
    page.check("[name=mode][value=semi_auto]")
    page.click("button:has-text('Set the mode')")

    expect(page.locator("#standing")).to_contain_text("semi auto")
    assert current_mode() == "semi_auto"


def test_operator_answers_an_approval(enter: Enter) -> None:
    make_approval(decision=make_decision(symbol="NVDA", status="awaiting_approval"))
    page = enter("operator")

    page.click("nav >> text=Approvals")
    page.get_by_label("Reason for NVDA").fill("earnings tonight")
    page.locator(".tc-request").get_by_role("button", name="Reject").click()

    expect(page.get_by_text("buy NVDA: rejected.")).to_be_visible()
    assert AIDecision.objects.get().status == "rejected"


def test_viewer_sees_no_button_that_changes_anything(enter: Enter) -> None:
    make_approval()
    page = enter("viewer")

    expect(page.locator("#standing")).to_contain_text("Mode")
    expect(page.locator("#standing a")).to_have_count(0)
    for address in ("risk/killswitch/", "trading/approval/queue/", "trading/strategy/", "risk/risklimits/"):
        page.goto(page.url.split("/admin")[0] + f"/admin/{address}")
        expect(page.locator("#content")).to_be_visible()
        expect(page.locator(".tc-button-stop, .tc-button-main, [name=_save]")).to_have_count(0)


RENEW = "document.dispatchEvent(new Event('visibilitychange'))"


def test_open_dashboard_shows_an_engagement_by_somebody_else(enter: Enter) -> None:
    """docs/lessons.md#lesson-24: the page renews itself, its header and banners included."""
    page = enter("operator")
    expect(page.locator("#banner-engaged")).to_have_count(0)
    make_engagement(engaged_by="ada", reason="from elsewhere")
    make_agent(trading_state="halted")

    page.evaluate(RENEW)

    expect(page.locator("#banner-engaged")).to_contain_text("from elsewhere")
    expect(page.locator("#standing")).to_contain_text("halted")
    expect(page.locator("#dashboard")).to_have_count(1)


def test_dashboard_says_when_the_server_is_gone(enter: Enter) -> None:
    """docs/lessons.md#lesson-24: a page that lost its server does not look live."""
    page = enter("viewer")
    expect(page.locator(".tc-lost-note")).to_be_hidden()

    page.context.set_offline(True)
    page.evaluate(RENEW)

    expect(page.locator(".tc-lost-note")).to_be_visible()


def test_dashboard_of_an_ended_session_becomes_the_login(enter: Enter) -> None:
    page = enter("viewer")
    Session.objects.all().delete()

    page.evaluate(RENEW)

    expect(page.locator("[name=password]")).to_be_visible()


def test_renewal_changes_what_changed_and_nothing_else(enter: Enter) -> None:
    """Focus, what was opened, and how far a table is scrolled stay; a count of what waits stands in the title."""
    make_agent()
    make_equity(equity=Decimal(100_500))
    for number in range(6):
        make_symbol_lock(f"AA{number}")
    page = enter("operator")
    page.locator("#guard-lines summary").click()
    link = page.locator("#news a, #dashboard a").first
    link.focus()
    page.evaluate("document.activeElement.isTheSame = true")
    read_at = page.locator("#dashboard .tc-foot").inner_text()
    make_equity(equity=Decimal(99_750))
    make_approval()

    expect(page.locator("#dashboard .tc-foot")).not_to_have_text(read_at)

    expect(page.get_by_text("99,750.00").first).to_be_visible()
    expect(page.locator("#waiting")).to_contain_text("1 decision waits for an answer")
    assert page.evaluate("document.activeElement.isTheSame")
    assert page.locator("#guard-lines").get_attribute("open") is not None
    assert page.title().startswith("(1) ")
