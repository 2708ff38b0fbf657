"""Every page of the console, once each: axe-core in both themes, no sideways scroll on a phone, nothing that fails.

And Enter, in every field of every form, does nothing at both widths; what is done has its own button. Loading a page
takes a browser as long as all that is asked of it, so it is asked all at once.

The pages are those of the URL conf with a row of each table (tests/trading/admin/rows.py): a new page is walked, too.
axe-core 4.14.1 is vendored beside this file as npm has it (MPL-2.0); nothing of the product loads it.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import NoReverseMatch, reverse
from playwright.sync_api import ConsoleMessage, Page, Request, Response, ViewportSize, expect

from orchestrator_project import urls
from tests.factories import make_agent, make_approval, make_asset, make_decision, make_heartbeat, make_order
from tests.trading.admin.doors import address, label_of, own_pages, pages, url_of
from tests.trading.admin.rows import ROWS
from trading.access.time_zones import choose_time_zone
from trading.models import Heartbeat, RuntimeSetting

pytestmark = [pytest.mark.system, pytest.mark.timeout(1500)]

Enter = Callable[..., Page]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]  # what another theme can change
JUDGE = """async ({ dark, rules }) => {
  document.documentElement.classList.toggle("dark", dark);
  await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
  const found = await axe.run(document, { runOnly: rules, resultTypes: ["violations"], elementRef: false });
  const where = (node) => node.target.join(" ") + " " + node.html.slice(0, 160);
  return found.violations.map((one) => one.id + ": " + one.nodes.slice(0, 3).map(where).join(" | "));
}"""
SIDEWAYS = """async () => {
  await new Promise((settled) => requestAnimationFrame(() => requestAnimationFrame(settled)));
  return document.documentElement.scrollWidth - document.documentElement.clientWidth;
}"""
# What the theme gives one line and no room for more: the values of a list as cards, and the page's heading.
CUT = """() => [...document.querySelectorAll("#result_list :is(td, th)[data-label], header h1")]
  .filter((one) => one.offsetParent)
  .filter((one) => one.scrollHeight > one.clientHeight + 2 || one.scrollWidth > one.clientWidth + 2)
  .slice(0, 3).map((one) => one.textContent.trim().slice(0, 80))"""
FIELDS = """() => {
  const found = document.querySelectorAll("form[method=post] :is(input:not([type=hidden]), textarea), [form=several]");
  const isSeen = (one) => one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0;
  return [...found].filter((one) => isSeen(one) && one.matches(":enabled")).slice(0, 40);
}"""
LOGIN = "/admin/login/"
# A person's own password and way in: neither trades, sends, deletes nor releases.
OWN_PASSWORD = ("/login/", "/password", "/logout/")
PARTS = {"trading_approval_sum"}  # what a page asks for to put into itself
DESK, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)


def addresses(may: HttpRequest, forms: list[str]) -> Iterator[str]:
    """Yield the address of every page that the request's user may see; rows are made as they are needed.

    Those that only have a form, or refuse one, are added to ``forms``.
    """
    yield from (reverse(f"admin:{name}") for name in ("index", "password_change"))
    yield from (
        reverse(one.name) for one in urls.urlpatterns if str(getattr(one, "name", "")).startswith("console_")
    )
    yield from ("/admin/trading/", "/admin/nowhere/", reverse("docs"))
    for page in pages():
        row = ROWS[label_of(page)]()
        yield url_of(page, "changelist")
        yield url_of(page, "change", row.pk)
        yield from (address(one.name or "", row) for one in own_pages(page) if one.name not in PARTS)
        if may_add := page.has_add_permission(may):
            yield url_of(page, "add")
        for name, *args in (("delete", row.pk),) if may_add else (("add",), ("delete", row.pk)):
            try:
                forms.append(url_of(page, name, *args))
            except NoReverseMatch:
                assert page.get_urls()
    yield reverse("admin:trading_order_changelist") + "?q=nothing-is-called-so&status=filled"
    setting = RuntimeSetting.objects.get(pk="max_coins")
    yield reverse("admin:trading_runtimesetting_history", args=[setting.pk])


def test_pages_have_no_violation_and_fit_a_phone_and_enter_sends_nothing(enter: Enter) -> None:
    make_agent(mode="semi_auto")
    User.objects.get_or_create(username="admin")
    for symbol in ("MSFT", "NVDA"):
        make_approval(decision=make_decision(symbol=symbol, status="awaiting_approval"))
    page = enter("superuser", alone=True)  # who is watched, in every page to come
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.add_init_script(path=AXE)
    complaints: dict[str, list[str]] = {}
    here: list[str] = []
    posts: list[str] = []
    page.on("pageerror", lambda error: here.append(f"script: {error}"))
    page.on("console", lambda said: here.extend(complained(said)))
    page.on("response", lambda answer: here.extend(missing(answer)))
    page.on("request", lambda request: posts.extend(posted(page, request)))
    root, fields, forms = page.url.split("/admin/")[0], Counter[int](), list[str]()
    may = RequestFactory().get("/")
    may.user = User.objects.filter(is_superuser=True).latest("pk")

    for where in list(addresses(may, forms)):  # every row is there before the first page
        here.clear()
        look_from(page, DESK)
        answer = page.goto(root + where)
        if answer is not None and answer.status not in (403, 405):  # what only takes answers is no page
            here += look_at(page, judged=where != reverse("docs"))
        if here:
            complaints[where] = list(here)
        fields += press_enter_at_both_widths(page, where)
        assert posts == [], where
    for where in forms:
        page.goto(root + where)
        fields += press_enter_at_both_widths(page, where)
        assert posts == [], where
    here.clear()
    look_from(page, DESK)
    page.context.clear_cookies()
    page.goto(root + LOGIN)  # a request that had begun is seen by now
    here += look_at(page, judged=True)
    if here:
        complaints[LOGIN] = here

    assert complaints == {}, json.dumps(complaints, indent=1)
    assert posts == []
    assert all(fields[width] > 100 for width in (PHONE["width"], DESK["width"])), fields


def posted(page: Page, request: Request) -> list[str]:
    """Return a form that was sent, in words."""
    return [f"{page.url} -> {request.url}"] if request.method == "POST" else []


def press_enter_at_both_widths(page: Page, where: str) -> Counter[int]:
    """Press Enter in each field that can be seen; return in how many at which width."""
    pressed = Counter[int]()
    if any(part in where for part in OWN_PASSWORD):
        return pressed
    for size in (PHONE, DESK):
        look_from(page, size)
        # Asked for once: a locator that finds each anew takes longer than to press it.
        for field in page.evaluate_handle(FIELDS).get_properties().values():
            field.as_element().press("Enter", no_wait_after=True)
            pressed[size["width"]] += 1
    return pressed


def look_from(page: Page, size: ViewportSize) -> None:
    """Set the size of the window, unless it is that: the page is laid out anew each time."""
    if page.viewport_size != size:
        page.set_viewport_size(size)


def missing(answer: Response) -> list[str]:
    """Return a resource that is not there, or fails, in words."""
    return [f"{answer.status} {answer.url}"] if answer.status >= 400 and "/static/" in answer.url else []


def complained(said: ConsoleMessage) -> list[str]:
    """Return an error in the browser's console; what an address answers is ``missing``'s, and the walk's own."""
    of_an_answer = said.text.startswith("Failed to load resource")
    return [f"console: {said.text}"] if said.type == "error" and not of_an_answer else []


def look_at(page: Page, *, judged: bool) -> list[str]:
    """Return what is wrong with the page that is open on a desk, and leave it on a phone.

    Swagger UI's own page is not ours to judge.
    """
    found: list[str] = []
    for theme, rules in (("light", ALL), ("dark", COLOURS)) if judged else ():
        said = page.evaluate(JUDGE, {"dark": theme == "dark", "rules": rules})
        found += [f"{theme}: {one}" for one in said]
    look_from(page, PHONE)
    if (over := page.evaluate(SIDEWAYS)) > 0:
        found.append(f"scrolls sideways by {over} px")
    if judged and (cut := page.evaluate(CUT)):
        found.append(f"cut on a phone: {cut}")
    return found


def test_keyboard_finds_a_row_and_passes_the_menu(enter: Enter) -> None:
    order = make_order(symbol="AAPL")
    make_asset("AAPL", name="Apple Inc.")
    page = enter("operator")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".tc-skips a", has_text="Stop trading")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#finder")).to_be_focused()
    page.keyboard.type("apple")
    expect(page.locator("#finder-found").get_by_role("link", name="AAPL", exact=True)).to_be_visible()
    page.locator("#finder").fill(str(order.pk)[-8:])
    page.keyboard.press("Enter")

    page.wait_for_url(f"**/admin/trading/order/{order.pk}/change/")


def test_times_are_the_readers_with_utc_beside(enter: Enter) -> None:
    make_heartbeat("sweeper")
    Heartbeat.objects.update(beaten_at=datetime(2026, 7, 1, 12, 30, 5, tzinfo=UTC))
    page = enter("viewer")
    choose_time_zone(User.objects.latest("pk").pk, "America/New_York")

    page.goto(page.url.split("/admin")[0] + reverse("admin:trading_heartbeat_changelist"))

    time = page.locator("#result_list time")
    expect(time).to_have_text("2026-07-01 08:30:05")
    assert (time.get_attribute("title") or "").startswith("2026-07-01 12:30:05 UTC")


def test_a_setting_is_changed_and_taken_back_in_five_interactions(enter: Enter) -> None:
    page = enter("risk officer")
    page.goto(
        page.url.split("/admin")[0] + reverse("admin:trading_runtimesetting_change", args=["max_coins"])
    )

    page.fill("[name=value]", "4")
    page.fill("[name=reason]", "fewer")
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("button", name="Take back").click()

    expect(page.get_by_text("max_coins is 20 again.")).to_be_visible()
    assert RuntimeSetting.objects.get(pk="max_coins").value == "20"
