"""The calibration page in a real browser: wide and narrow, and a person can point at the chart and read it."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from tests.evaluation.services.agents import make_report
from tests.waiting import wait_until

pytestmark = pytest.mark.system
TOOLTIP = "() => Chart.getChart(document.querySelector('#reliability canvas'))?.tooltip"
READ = f"() => ({TOOLTIP})()?.dataPoints?.map(point => point.dataset.label) ?? []"


@pytest.mark.parametrize("width", [1440, 390])
def test_the_chart_can_be_read_by_pointing_at_it(
    width: int, enter: Callable[[str], Page], live_server: object
) -> None:
    report = make_report(120, right=lambda _: 0.5)
    page = enter("viewer")
    page.set_viewport_size({"width": width, "height": 900})
    root = page.url.split("/admin/")[0]
    page.goto(
        root + reverse("admin:evaluation_calibrationreport_change", args=[report.pk]), wait_until="load"
    )
    canvas = page.locator("#reliability canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None

    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)

    named = wait_until(lambda: page.evaluate(READ), what="the tooltip")
    assert {"observed", "reliability curve"} <= set(named)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width, "nothing hangs over"
    summary = page.locator("#reliability summary")
    summary.click()
    assert page.locator("#reliability table").first.is_visible()
