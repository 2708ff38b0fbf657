"""A person's ten tasks, from the dashboard, each in at most five interactions on a desk and on a phone.

An interaction is a click, a field filled or a key pressed; scrolling is none. docs/console/README.md has the figures.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from risk.models import KillSwitch
from risk.services.limits import limits_in_force
from tests.factories import (
    make_agent,
    make_approval,
    make_asset,
    make_cycle,
    make_decision,
    make_equity,
    make_event,
    make_order,
    make_trade,
    switch_guards_off,
)
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, WHOLE_STOCK, Outside
from tests.trading.scenes import ago, wish
from trading.execution.portfolio import sync_portfolio
from trading.guards.pause import entries_pause
from trading.market.market_time import market_now
from trading.models import Approval, BarHistory, Cycle, Order, Trade

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

MOST = 5
WAITING = 50
WIDTHS = {1440: 900, 390: 844}
HOLD = "4"


@dataclass
class Person:
    """Who sits before the page, and how often they had to do something with it."""

    page: Page
    interactions: int = 0
    counted: dict[str, int] = field(default_factory=dict)

    def click(self, where: Locator) -> None:
        self.interactions += 1
        where.click()

    def fill(self, where: Locator, text: str) -> None:
        self.interactions += 1
        where.fill(text)

    def press(self, key: str) -> None:
        self.interactions += 1
        self.page.keyboard.press(key)

    def link(self, words: str) -> None:
        self.click(self.page.get_by_role("link", name=words).filter(visible=True).first)

    def button(self, words: str) -> None:
        self.click(self.page.get_by_role("button", name=words, exact=True).filter(visible=True).first)

    def find(self, word: str) -> None:
        """Type into the search that every page has, and press Enter; on a phone it is a page behind a link."""
        if not self.page.locator("#finder").is_visible():
            self.click(self.page.locator("a.tc-icon-button[aria-label=Find]"))
        self.fill(self.page.locator("[name=q]").filter(visible=True).first, word)
        self.press("Enter")


@pytest.fixture
def scene(enter: Callable[[str], Page], outside: Outside) -> Page:
    """What a day leaves: money and its market, a position, a denial, a trade, fifty requests, a bad night."""
    switch_guards_off()  # what is sold before each test would keep the next from buying it
    make_agent(mode="semi_auto")
    outside.hold(WHOLE_STOCK, HOLD)
    sync_portfolio(None)
    _days(market_now())
    sync_portfolio(None)
    make_asset("AAPL", name="Apple Inc.")
    make_decision(symbol="AAPL", status="denied", reason="low_confidence", reason_detail="0.61 is below 0.70")
    make_trade(order=make_order(symbol="MSFT", status="filled"))
    _bad_night()
    _requests()
    return enter("superuser")


def _days(now: datetime | None) -> None:
    """Write the account at two closes before today's, and the market over the same days."""
    assert now is not None
    days = [now - timedelta(days=2 - number) for number in range(3)]
    for day, equity in zip(days[:-1], (95_000, 96_900), strict=True):
        make_equity(market_time=day, equity=Decimal(equity))
    bars = [[day.isoformat(), "1", "1", "1", str(100 + number), "9"] for number, day in enumerate(days)]
    BarHistory.objects.create(symbol="SPY", market_date=now.date(), fetched_at=ago(), bars=bars)


def _bad_night() -> None:
    night = timezone.now() - timedelta(hours=8)
    failed = make_cycle(status="failed", reason="deadline", started_at=night)
    payload = {"reason": "deadline", "from": "running", "to": "failed"}
    make_event(aggregate_id=str(failed.pk), type="cycle.fail", occurred_at=night, payload=payload)


def _requests() -> None:
    """Put fifty questions of which the surest have no price, so that no order of them passes the gate."""
    cycle = make_cycle(status="running", stage="executing", symbols=[STOCK])
    for number in range(WAITING - 3):
        decision = make_decision(
            cycle=cycle, symbol=f"ZZ{number}", status="awaiting_approval", confidence=Decimal("0.99")
        )
        make_approval(decision=decision)
    for symbol in (STOCK, OTHER_STOCK, COIN):
        make_approval(
            decision=wish(symbol, cycle=cycle, status="awaiting_approval", confidence=Decimal("0.80"))
        )


def why_not_bought(person: Person) -> None:
    person.find("AAPL")
    if person.page.locator("#symbol-decisions").count() == 0:
        person.click(person.page.locator("main").get_by_role("link", name="AAPL", exact=True).first)
    expect(person.page.locator("#symbol-decisions")).to_contain_text("low confidence")
    expect(person.page.locator("#symbol-decisions")).to_contain_text("0.61 is below 0.70")


def approve_the_three_best(person: Person) -> None:
    person.link("Answer")
    person.link("By confidence")
    person.button("Tick those that fit")
    expect(person.page.locator("#selected-count")).to_have_text("3")
    expect(person.page.locator("#selected-sum")).to_contain_text("3 of 3 fit the limits")
    person.button("Approve selected")
    expect(person.page.get_by_text("You are about to approve 3 decisions")).to_be_visible()
    person.button("Approve all 3")
    expect(person.page.get_by_text("the risk gate let it pass")).to_have_count(3)
    bought = Order.objects.filter(purpose="entry", decision__approval__status="granted")
    assert set(bought.values_list("symbol", flat=True)) == {STOCK, OTHER_STOCK, COIN}


def reject_with_a_reason(person: Person) -> None:
    person.link("Answer")
    person.fill(person.page.locator(".tc-request:visible [name=reason]").first, "earnings tonight")
    person.click(person.page.locator(".tc-request:visible").get_by_role("button", name="Reject").first)
    expect(person.page.get_by_text(": rejected.")).to_be_visible()
    assert Approval.objects.get(status="rejected").reason == "earnings tonight"


def close_a_position(person: Person) -> None:
    person.link(f"Close {WHOLE_STOCK} …")
    person.click(person.page.locator("[name=confirmed]"))
    person.button("Sell it")
    expect(person.page.get_by_text(f"Sell {HOLD} {WHOLE_STOCK}: the order is")).to_be_visible()
    assert Order.objects.get(purpose="exit", symbol=WHOLE_STOCK).quantity == Decimal(HOLD)


def pause_entries(person: Person) -> None:
    person.link("Pause entries")
    person.fill(person.page.locator("[name=reason]"), "the minutes of the Fed")
    person.button("Pause entries")
    paused = person.page.locator("a.tc-pill").filter(has_text="Entries paused", visible=True)
    expect(paused).to_have_count(1)
    assert entries_pause().is_paused


def this_month_against_the_market(person: Person) -> None:
    person.link("performance")
    person.link("Month")
    expect(person.page.get_by_role("link", name="Month")).to_have_attribute("aria-current", "true")
    expect(person.page.locator("main")).to_contain_text("SPY: ")
    expect(person.page.locator("[data-drawn=true]").first).to_be_visible()


def trade_of_an_order_id(person: Person) -> None:
    trade = Trade.objects.get(symbol="MSFT")
    person.find(f"…{str(trade.order_id)[-8:]}")
    expect(person.page).to_have_url(person.page.url.split("/admin")[0] + _page_of("order", trade.order_id))
    person.click(person.page.locator(f"main a[href='{_page_of('trade', trade.pk)}']").first)
    expect(person.page.locator("main")).to_contain_text("MSFT")


def change_a_limit_and_undo_it(person: Person) -> None:
    before = limits_in_force()
    assert before is not None
    person.click(person.page.locator("#dashboard").get_by_role("link", name="limits").first)
    person.fill(person.page.locator("[name=max_positions]"), "7")
    person.fill(person.page.locator("[name=note]"), "a try")
    person.button("Save")
    expect(person.page.locator("#result_list")).to_contain_text("a try")
    changed = limits_in_force()
    assert changed is not None
    assert changed.max_positions == 7
    person.button(f"Take back to version {before.version}")
    expect(person.page.get_by_text("are in force again")).to_be_visible()
    restored = limits_in_force()
    assert restored is not None
    assert (restored.version, restored.max_positions) == (before.version + 2, before.max_positions)


def what_failed_last_night(person: Person) -> None:
    failed = Cycle.objects.get(status="failed")
    person.click(person.page.locator("#news").get_by_role("link", name="cycle failed").first)
    expect(person.page).to_have_url(person.page.url.split("/admin")[0] + _page_of("cycle", failed.pk))
    expect(person.page.locator("main")).to_contain_text("deadline")


def stop_everything(person: Person) -> None:
    person.click(person.page.locator("#engage-link"))
    person.button("Engage now")
    expect(person.page.locator("#banner-engaged")).to_be_visible()
    assert KillSwitch.objects.get().engaged_by


# As docs/console/README.md has them.
COUNTED = {
    "find why AAPL was not bought": {1440: 3, 390: 4},
    "approve the three best of 50": {1440: 5, 390: 5},
    "reject with a reason": {1440: 3, 390: 3},
    "close one position": {1440: 3, 390: 3},
    "see this month's P&L against the benchmark": {1440: 2, 390: 2},
    "find the trade of an order id": {1440: 3, 390: 4},
    "change a limit and undo it": {1440: 5, 390: 5},
    "find what failed last night": {1440: 1, 390: 1},
    "pause entries": {1440: 3, 390: 3},
    "stop everything": {1440: 2, 390: 2},
}
# What cannot be done after another stands before it: nothing is approved while entries pause, nothing once all stops.
TASKS = {
    "find why AAPL was not bought": why_not_bought,
    "approve the three best of 50": approve_the_three_best,
    "reject with a reason": reject_with_a_reason,
    "close one position": close_a_position,
    "see this month's P&L against the benchmark": this_month_against_the_market,
    "find the trade of an order id": trade_of_an_order_id,
    "change a limit and undo it": change_a_limit_and_undo_it,
    "find what failed last night": what_failed_last_night,
    "pause entries": pause_entries,
    "stop everything": stop_everything,
}


def _page_of(table: str, pk: object) -> str:
    return reverse(f"admin:trading_{table}_change", args=[pk])


@pytest.mark.parametrize("width", WIDTHS)
def test_no_task_takes_more_than_five_interactions(width: int, scene: Page) -> None:
    page, person = scene, Person(scene)
    page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    dashboard = page.url.split("/admin")[0] + reverse("admin:index")

    # What one must never lose sight of is there at each width, and so is the way to the mode.
    for words in ("Simulated", "Mode semi auto", "Trading active"):
        expect(page.locator(".tc-pill").filter(has_text=words, visible=True)).to_have_count(1)
    expect(page.locator("a.tc-pill").filter(has_text="Mode", visible=True)).to_have_count(1)

    for task, done in TASKS.items():
        page.goto(dashboard)
        person.interactions = 0
        done(person)
        person.counted[task] = person.interactions

    assert person.counted == {task: counts[width] for task, counts in COUNTED.items()}
    assert max(person.counted.values()) <= MOST
