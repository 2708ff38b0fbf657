"""A position is closed in a browser: a part, then the rest; what cannot be sold is said, a viewer is not asked."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.trading.outside import STOCK, Outside
from tests.waiting import wait_until
from trading.execution import unattended_orders
from trading.execution.portfolio import sync_portfolio
from trading.exits.keeping import Keeper
from trading.models import Order
from trading.protection.coverage import read_coverage

pytestmark = pytest.mark.system

Enter = Callable[[str], Page]


def positions_of(page: Page) -> str:
    return page.url.split("/admin")[0] + "/admin/trading/position/"


def followed() -> None:
    """Have what was ordered sold and booked, and the rest protected, as the sweeper does."""
    sale = Order.objects.filter(purpose="exit").latest("created_at")
    wait_until(lambda: not unattended_orders.follow_order(sale.pk).is_open, what="it is sold")
    Keeper().keep()


def test_operator_closes_a_part_then_the_rest(outside: Outside, enter: Enter) -> None:
    page = enter("operator")
    outside.hold(STOCK, "4")
    sync_portfolio(None)
    wait_until(lambda: Keeper().keep() or STOCK in read_coverage(), what="a stop rests")

    page.goto(positions_of(page))
    page.get_by_role("link", name="Close …").click()
    expect(page.get_by_text("4 are held")).to_be_visible()
    page.fill("[name=quantity]", "9")
    page.check("[name=confirmed]")
    page.click("button:has-text('Sell it')")
    expect(page.get_by_text("Nothing was sold: quantity: was 9, 4 are held")).to_be_visible()
    expect(page.locator("[name=quantity]")).to_have_value("9")
    page.fill("[name=quantity]", "1")
    page.click("button:has-text('Sell it')")
    expect(page.get_by_text(f"Sell 1 {STOCK}: the order is")).to_be_visible()
    followed()
    assert read_coverage()[STOCK].stopped() == 3
    page.goto(positions_of(page))
    page.get_by_role("link", name="Close …").click()
    page.check("[name=confirmed]")
    page.click("button:has-text('Sell it')")
    expect(page.get_by_text(f"Sell 3 {STOCK}: the order is")).to_be_visible()
    followed()

    assert STOCK not in outside.positions()
    assert outside.venue.get("/v2/orders?status=open") == []


def test_viewer_is_offered_no_close(outside: Outside, enter: Enter) -> None:
    page = enter("viewer")
    outside.hold(STOCK, "4")
    sync_portfolio(None)

    page.goto(positions_of(page))

    expect(page.locator("#result_list")).to_contain_text(STOCK)
    expect(page.get_by_role("link", name="Close …")).to_have_count(0)
    assert page.goto(positions_of(page) + f"{STOCK}/close/").status == 403  # type: ignore[union-attr]  # a page of ours answers
