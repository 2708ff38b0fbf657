"""A candidate's way in a browser: refused with words, proposed, approved, rejected; a cycle's universe."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_asset, make_candidate, make_cycle
from trading.domain.universe import Candidate, Reason, select_universe
from trading.domain.universe_record import record_of
from trading.market.universe import LONG_AGO
from trading.models import UniverseCandidate

pytestmark = pytest.mark.system

Enter = Callable[[str], Page]


def test_risk_officer_proposes_approves_and_rejects(enter: Enter) -> None:
    make_asset("AAPL")
    page = enter("risk officer")
    base = page.url.split("/admin")[0] + "/admin/trading/universecandidate/"

    page.goto(base + "add/")
    page.fill("[name=symbol]", "APPL")
    page.click("[name=_save]")
    expect(
        page.get_by_text("symbol: was 'APPL', unknown, the broker lists no tradable asset")
    ).to_be_visible()
    page.fill("[name=symbol]", "AAPL")
    page.click("[name=_save]")
    page.locator("#result_list .field-proposed").get_by_role("link").click()
    page.locator("#candidate-answer").get_by_role("button", name="Approve").click()
    expect(page.locator("#candidate-answer")).to_contain_text("Cycles look at it, with priority high")
    approved = UniverseCandidate.objects.get().status
    page.click("text=Reject …")
    page.fill("[name=reason]", "too much of it already")
    page.click("button:has-text('Reject')")

    expect(page.get_by_text("AAPL: rejected.")).to_be_visible()
    row = UniverseCandidate.objects.get()
    assert (approved, row.status, row.answer_reason) == ("approved", "rejected", "too much of it already")


def test_several_are_approved_from_the_list(enter: Enter) -> None:
    for symbol in ("AAPL", "MSFT"):
        make_candidate(symbol=make_asset(symbol).symbol)
    page = enter("risk officer")

    page.goto(page.url.split("/admin")[0] + "/admin/trading/universecandidate/")
    page.check("#action-toggle")
    page.select_option("select[name=action]", label="Approve", force=True)
    page.locator("button[name=index]").click()

    expect(page.get_by_text("AAPL, MSFT: approved.")).to_be_visible()
    assert UniverseCandidate.objects.filter(status="approved").count() == 2


def test_cycles_universe_reads_at_a_glance(enter: Enter) -> None:
    many = [Candidate(f"S{n}", frozenset({Reason.APPROVED}), LONG_AGO) for n in range(30)]
    chosen = select_universe(held=["H"], candidates=many, by_volume=(), cap=10, seed=0)
    cycle = make_cycle(universe=record_of({"stock": chosen}, {}))
    page = enter("viewer")

    page.goto(f"{page.url.split('/admin')[0]}/admin/trading/cycle/{cycle.pk}/change/")
    page.get_by_role("link", name="Universe", exact=True).click()

    section = page.locator("#universe")
    expect(section).to_contain_text("30 candidates for 9 free slots: 6 by score, 3 in turn")
    section.get_by_text("The 10 that are in").click()
    expect(section.get_by_role("row")).to_have_count(11)
    section.get_by_text("The 21 that wait for their turn").click()
    expect(section.get_by_text("number 21 in line")).to_be_visible()
