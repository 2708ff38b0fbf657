"""The pages of a symbol, a position, a cycle and of round trips in a browser: drawn, read by keys, on a phone too."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests import factories as make
from tests.trading.performance.booked import traded
from tests.waiting import wait_until

pytestmark = pytest.mark.system

Enter = Callable[[str], Page]
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
OPENED = datetime(2026, 11, 2, 15, tzinfo=UTC)


def a_story() -> list[str]:
    """Write a symbol that was bought, sold and bought again in a cycle; return the addresses of the pages."""
    make.make_agent(market_time=OPENED + timedelta(hours=4), market_time_read_at=timezone.now())
    make.make_asset("AAPL", name="Apple Inc.")
    cycle = make.make_cycle(
        errors=[{"operation": "quotes x", "message": "y " * 200, "symbol": "AAPL", "at": ""}]
    )
    bought = make.make_decision(cycle=cycle, status="executed")
    traded("buy", "2", "100", decision=bought, at=OPENED)
    traded("sell", "2", "120", at=OPENED + timedelta(hours=1))
    traded("buy", "1", "110", at=OPENED + timedelta(hours=2))
    make.make_position("AAPL", opened_at=OPENED + timedelta(hours=2), stop_price=Decimal("104.5"))
    for number, price in enumerate(("100", "118", "121", "109")):
        make.make_snapshot(price=Decimal(price), quoted_at=OPENED + timedelta(hours=number))
    for _ in range(3):
        make.make_decision(status="denied", reason="low_confidence", reasoning="A long sentence. " * 20)
    return [
        reverse("admin:trading_symbol", args=["AAPL"]) + "?candles=hour",
        reverse("admin:trading_position_change", args=["AAPL"]),
        reverse("admin:trading_cycle_change", args=[cycle.pk]),
        reverse("admin:trading_roundtrip_changelist"),
    ]


def test_pages_are_drawn_and_read_by_keys_at_both_widths_in_both_themes(enter: Enter) -> None:
    addresses = a_story()
    page = enter("viewer")
    base = page.url.split("/admin")[0]
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)

    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for address in addresses:
            page.goto(base + address)
            assert page.evaluate(SIDEWAYS) == 0, (address, width)
            page.evaluate("document.documentElement.classList.toggle('dark')")
        page.goto(base + addresses[0])
        plot, legend = page.locator(".tc-plot"), page.locator(".tc-legend")
        expect(plot).to_have_attribute("data-drawn", "true")
        plot.press("Home")
        expect(legend).to_contain_text("2026-11-02 15:00")
        expect(legend).to_contain_text("buy 2")
        plot.press("ArrowRight")
        expect(legend).to_contain_text("sell 2 +40.00")
        page.evaluate("document.documentElement.classList.toggle('dark')")
        plot.press("End")
        expect(legend).to_contain_text("close 109.00")
        expect(legend).to_contain_text("stop 104.50 USD")

    assert complaints == []


def test_chart_fills_its_box_whatever_its_width_becomes(enter: Enter) -> None:
    address = a_story()[0]
    page = enter("viewer")
    page.goto(page.url.split("/admin")[0] + address)
    plot, legend = page.locator(".tc-plot"), page.locator(".tc-legend")
    expect(plot).to_have_attribute("data-drawn", "true")

    def left_end_is_the_first() -> bool:
        for height in (60, 80):  # a mouse that stands still says nothing
            plot.hover(position={"x": 12, "y": height})
        return "2026-11-02 15:00" in legend.inner_text()

    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        plot.press("End")
        expect(legend).to_contain_text("close 109.00")
        wait_until(left_end_is_the_first, what="the chart is drawn anew")


def test_long_text_is_folded_and_copied(enter: Enter) -> None:
    call = make.make_model_call(prompt=[{"role": "user", "content": "first line\nsecond line"}])
    page = enter("viewer")

    page.goto(page.url.split("/admin")[0] + reverse("admin:ai_modelcall_change", args=[call.pk]))

    text = page.locator(".tc-pre").first
    expect(text).to_be_hidden()
    page.locator(".tc-text summary").first.click()
    expect(text).to_have_text("user:\nfirst line\nsecond line")
    page.locator("[data-copy]").first.click()
    expect(page.locator("[data-copy]").first).not_to_have_text("Copy")
