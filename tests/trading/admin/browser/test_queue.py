"""The approval queue by keyboard, the place it keeps, and one card at a time on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_agent, make_approval, make_decision, make_equity
from tests.trading.scenes import ago
from trading.models import Approval

pytestmark = pytest.mark.system

Enter = Callable[[str], Page]
SYMBOLS = ("AAPL", "MSFT", "NVDA", "TSLA")


@pytest.fixture
def requests(seeded: None) -> list[Approval]:
    """Four requests, in the order of their urgency."""
    make_agent(mode="semi_auto")
    make_equity()
    return [
        make_approval(
            decision=make_decision(symbol=symbol, status="awaiting_approval"),
            expires_at=ago(minutes=-10 - number),
        )
        for number, symbol in enumerate(SYMBOLS)
    ]


def open_queue(page: Page) -> None:
    page.goto(page.url.split("/admin")[0] + "/admin/trading/approval/queue/")
    expect(page.locator(".tc-request")).to_have_count(len(SYMBOLS))


def current(page: Page) -> str:
    return page.locator(".tc-request.tc-current .tc-request-what a").inner_text()


def test_keys_walk_ask_and_answer_and_the_place_is_kept(enter: Enter, requests: list[Approval]) -> None:
    page = enter("operator")
    open_queue(page)
    expect(page).to_have_title(f"({len(SYMBOLS)}) Approvals | Trading Orchestrator")

    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys of this page")).to_be_visible()
    page.keyboard.press("Escape")
    for key in "jjk":
        page.keyboard.press(key)
    assert current(page) == "AAPL"
    page.keyboard.press("j")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Reject BUY MSFT?")).to_be_visible()
    page.get_by_role("button", name="Reject", exact=True).last.click()
    expect(page.get_by_text("reason: was empty, expected why")).to_be_visible()
    page.get_by_label("Why", exact=True).fill("no jak, not today")  # letters that are keys elsewhere
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_text("buy MSFT: rejected.")).to_be_visible()
    assert page.url.endswith(f"#approval-{requests[2].pk}")
    assert current(page) == "NVDA"
    expect(page.locator(".tc-request.tc-current")).to_be_focused()
    row = Approval.objects.get(pk=requests[1].pk)
    assert (row.status, row.reason) == ("rejected", "no jak, not today")

    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Approve BUY NVDA?")).to_be_visible()
    page.keyboard.press("Escape")
    assert Approval.objects.get(pk=requests[2].pk).status == "requested"
    page.keyboard.press("x")
    expect(page.locator("#selected-count")).to_have_text("1")
    expect(page.locator("#selected-sum")).to_contain_text("0 of 1")


def test_key_approves_after_one_more_question(enter: Enter, requests: list[Approval]) -> None:
    page = enter("operator")
    open_queue(page)

    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Approve BUY AAPL?")).to_be_visible()
    page.keyboard.press("Enter")

    # No provider knows a price here: the answer is told, and nothing is done.
    expect(page.get_by_text("buy AAPL: ").first).to_be_visible()
    assert current(page) == "MSFT"


def test_phone_shows_one_card_with_both_buttons_in_reach(enter: Enter, requests: list[Approval]) -> None:
    page = enter("operator")
    page.set_viewport_size({"width": 390, "height": 844})
    open_queue(page)

    shown = page.locator(".tc-request:visible")
    expect(shown).to_have_count(1)
    assert current(page) == "AAPL"
    for name in ("Approve", "Reject"):
        button = shown.get_by_role("button", name=name, exact=True)
        box = button.bounding_box()
        assert box is not None
        assert box["y"] > 844 / 2
        assert box["y"] + box["height"] <= 844
        assert box["height"] >= 44
        assert 0 <= box["x"] <= 390 - box["width"]
    page.get_by_role("button", name="The next request").click()
    expect(page.locator(".tc-request:visible .tc-request-what a")).to_have_text("MSFT")
    expect(page.locator(".tc-request:visible [data-at]")).to_have_text(f"2 of {len(SYMBOLS)}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.locator(".tc-request:visible").get_by_label("Reason for MSFT").fill("too thin")
    page.locator(".tc-request:visible").get_by_role("button", name="Reject", exact=True).click()

    expect(page.get_by_text("buy MSFT: rejected.")).to_be_visible()
    expect(page.locator(".tc-request:visible .tc-request-what a")).to_have_text("NVDA")


def test_viewer_has_no_keys_that_do_something(enter: Enter, requests: list[Approval]) -> None:
    page = enter("viewer")
    open_queue(page)

    for key in "jar":
        page.keyboard.press(key)

    assert current(page) == "AAPL"
    expect(page.locator("dialog")).to_have_count(0)
    assert set(Approval.objects.values_list("status", flat=True)) == {"requested"}
