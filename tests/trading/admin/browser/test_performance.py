"""The curve in a browser: drawn without a complaint at both widths, read by mouse and by arrow keys, in both themes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_equity

pytestmark = pytest.mark.system

Enter = Callable[[str], Page]
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("width", [1440, 390])
def test_curve_is_drawn_and_read_by_keys(enter: Enter, width: int) -> None:
    for number, equity in enumerate((100_000, 101_000, 99_000, 102_500, 1)):
        make_equity(
            market_time=datetime(2026, 11, 2, 20, 30, tzinfo=UTC) + timedelta(days=number),
            equity=Decimal(equity),
        )
    page = enter("viewer")
    page.set_viewport_size({"width": width, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)

    page.goto(page.url.split("/admin")[0] + "/admin/trading/equitysnapshot/performance/")

    plot, legend = page.locator(".tc-plot"), page.locator(".tc-legend")
    expect(plot).to_have_attribute("data-drawn", "true")
    expect(legend).to_contain_text("equity 102,500.00 USD")
    plot.press("ArrowLeft")
    expect(legend).to_contain_text("2026-11-04: equity 99,000.00 USD")
    expect(legend).to_contain_text("below its peak -1.98 %")
    page.evaluate("document.documentElement.classList.toggle('dark')")
    plot.press("Home")
    expect(legend).to_contain_text("2026-11-02: equity 100,000.00 USD")
    assert page.evaluate(SIDEWAYS) == 0
    assert complaints == []
