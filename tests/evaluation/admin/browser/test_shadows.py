"""A shadow's page in a browser: the chart is drawn and answers to the pointer, on a desk and on a telephone."""

import math
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect
from uuid6 import uuid7

from evaluation.models import ShadowBook, ShadowPoint
from tests.evaluation.services.shadow.scenes import traded_shadow

pytestmark = pytest.mark.system
TIP = "() => { const c = Chart.getChart(document.querySelector('canvas.chart')); return c.tooltip.dataPoints?.length }"


@pytest.mark.parametrize("width", [1440, 390])
def test_both_lines_are_drawn_and_told_at_the_pointer(enter: Callable[[str], Page], width: int) -> None:
    traded_shadow()
    book = ShadowBook.objects.get()
    first = ShadowPoint.objects.get(cycle_number=3)
    for number in range(4, 120):
        ShadowPoint.objects.create(
            book=book,
            cycle_id=uuid7(),
            cycle_number=number,
            at=first.at + timedelta(minutes=number),
            equity=Decimal(round(10_100 + 60 * math.sin(number / 9) + number, 2)),
            cash=Decimal(9000),
            exposure=Decimal(1100),
            positions=1,
            account_equity=Decimal(round(99_850 + 500 * math.cos(number / 14), 2)),
            outcome="decided",
        )
    page = enter("viewer")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.set_viewport_size({"width": width, "height": 900})

    page.goto(page.url.split("/admin/")[0] + "/admin/evaluation/shadowbook/")
    page.get_by_role("link", name="Bold one").first.click()
    chart = page.locator("canvas.chart")
    expect(chart).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function(f"({TIP})() === 2")

    page.get_by_text("The same as a table").click()
    expect(page.locator("#curve table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    assert problems == []
