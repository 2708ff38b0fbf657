"""``python -m benchmarks.pages``: what each page of the console costs once its tables are large.

Fills a database of its own (100,000 rows in each table that grows; ``--decisions 1_000_000``: more of those) and asks
for every page of the URL conf as a superuser: the list of each table, whole and searched, the page of a row, and each
page of its own. Queries, the median of five answers in this process, and the bytes of the document before they are
compressed; with ``--browser`` the first contentful paint in a headless Chromium, style and scripts included.
"""

import argparse
import gc
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROWS = 100_000
WARM_UP, ROUNDS = 2, 5
LIMITS = {"queries": 12, "milliseconds": 300, "kilobytes": 300, "paint": 1000}
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@dataclass(frozen=True, slots=True)
class PageCost:
    """What a page cost; ``kilobytes`` of 1,000, ``paint`` in milliseconds, None where no browser looked."""

    page: str
    url: str
    queries: int
    milliseconds: float
    kilobytes: float
    paint: float | None = None

    @property
    def ratio(self) -> float:
        """The figure that is nearest to its limit, or furthest above, as a share of the limit."""
        figures = {name: getattr(self, name) for name in LIMITS}
        return max(value / LIMITS[name] for name, value in figures.items() if value is not None)


def main() -> int:
    """Measure and print, the worst first; return 1 where a limit was passed."""
    options = _options()
    os.environ |= {"ORCHESTRATOR_MODE": "autonomous", "DJANGO_ALLOW_ASYNC_UNSAFE": "true"}
    from benchmarks.world import measured_world

    folder: Path | None = options.keep
    is_filled = folder is not None and (folder / "filled").exists()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with measured_world({"fill_latency": 0}, folder=folder) as venue:
        logging.disable(logging.WARNING)
        if not is_filled:
            from benchmarks import pages_seed
            from benchmarks.screenshots import seed

            _say("Trading some cycles, then copying them ...")
            seed.seeded(venue)
            _say(f"filled in {pages_seed.fill(options.rows, options.decisions):.0f} s")
            if folder is not None:
                (folder / "filled").touch()
        costs = sorted(_costs(options.only, browser=options.browser), key=lambda one: -one.ratio)
    if options.json:
        sys.stdout.write(json.dumps([asdict(one) for one in costs]) + "\n")
    else:
        sys.stdout.write(table(costs))
    return int(any(one.ratio > 1 for one in costs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--rows", type=_positive, default=ROWS, help="of each table (default %(default)s)")
    parser.add_argument("--decisions", type=_positive, default=ROWS, help="at least (default %(default)s)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="where the database stays for another run"
    )
    some = "pages with one of these, by commas, in their name or address"
    parser.add_argument("--only", default="", metavar="WORDS", help=some)
    parser.add_argument("--browser", action="store_true", help="first contentful paint, too")
    parser.add_argument("--json", action="store_true", help="instead of the table")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text.replace("_", "")) if text.replace("_", "").isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a whole number from 1")
    return number


def table(costs: list[PageCost]) -> str:
    """Return the costs as text, with what is above a limit marked."""
    wide = max((len(one.page) for one in costs), default=4)
    lines = [f"{'page':{wide}}{'queries':>9}{'ms':>8}{'KB':>8}{'paint ms':>10}{'ratio':>8}"]
    for one in costs:
        paint = "-" if one.paint is None else f"{one.paint:.0f}"
        mark = "  <-- above its limit" if one.ratio > 1 else ""
        figures = f"{one.queries:>9}{one.milliseconds:>8.0f}{one.kilobytes:>8.0f}{paint:>10}{one.ratio:>8.2f}"
        lines.append(f"{one.page:{wide}}{figures}{mark}")
    limits = ", ".join(f"{name} {most}" for name, most in LIMITS.items())
    return "\n".join([*lines, f"limits: {limits}", ""])


def _costs(only: str, *, browser: bool) -> Iterator[PageCost]:
    from django.contrib.auth.models import User
    from django.test import Client
    from django.urls import reverse

    user, _ = User.objects.get_or_create(username="admin", defaults={"is_superuser": True, "is_staff": True})
    user.set_password("pages only")
    user.save()
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    client.get(reverse("admin:index"))  # reads the addresses
    words = only.split(",")
    wanted = [one for one in every_page() if any(word in " ".join(one) for word in words)]
    gc.collect()
    gc.freeze()
    paints = _paints(user.username, wanted) if browser else {}
    for number, (name, url) in enumerate(wanted, start=1):
        cost = _cost(client, name, url, paints.get(url))
        if cost is not None:
            figures = f"{cost.queries} queries, {cost.milliseconds:.0f} ms, {cost.kilobytes:.0f} KB"
            _say(f"{number} of {len(wanted)}: {name}: {figures}")
            yield cost


def every_page() -> Iterator[tuple[str, str]]:
    """Yield the name and address of each page."""
    from django.urls import reverse

    from benchmarks.screenshots.pages import every_page as shown
    from tests.trading.admin.doors import label_of, pages, url_of
    from trading.models import AIDecision

    yield from ((shot.name, shot.url) for shot in shown())
    for by in ("decision", "day"):  # those with the most groups, and with the most to sum up
        yield f"performance by={by}", f"{reverse('admin:trading_equitysnapshot_performance')}?by={by}"
    for page in pages():
        label = label_of(page).replace(".", "-")
        if page.search_fields:
            for word in ("AAPL", "no-such-word", "0123abcd"):
                yield f"{label}-list q={word}", f"{url_of(page, 'changelist')}?q={word}"
        yield f"{label}-list p=3", f"{url_of(page, 'changelist')}?p=3"
        if label == "trading-aidecision":
            for status in ("awaiting_approval", "executed", "denied", "held"):
                rows = AIDecision.objects.filter(status=status).order_by("-created_at")
                for row in rows[:1]:
                    yield f"{label} {status}", url_of(page, "change", row.pk)


def _cost(client: Any, name: str, url: str, paint: float | None) -> PageCost | None:
    """Return what a page costs; None where it takes answers only, or leads elsewhere."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for _ in range(WARM_UP):
        reply = client.get(url)
    if reply.status_code in (302, 403, 405):
        return None
    assert reply.status_code == 200, (url, reply.status_code)
    with CaptureQueriesContext(connection) as captured:
        client.get(url)
        queries = len(captured)  # the next request empties what was captured
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        client.get(url)
        took.append(time.perf_counter() - began)
    size = len(reply.content) / 1000
    return PageCost(name, url, queries, statistics.median(took) * 1000, size, paint)


def _paints(username: str, wanted: list[tuple[str, str]]) -> dict[str, float]:
    """Return the first contentful paint of each page, the second time that it is opened, in milliseconds."""
    from playwright.sync_api import sync_playwright

    from tests.trading.admin.browser.conftest import ARGUMENTS, chromium, running_live_server

    found: dict[str, float] = {}
    with running_live_server() as server, sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium()), args=ARGUMENTS)
        page = started.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{server.url}/admin/")
        page.fill("[name=username]", username)
        page.fill("[name=password]", "pages only")
        page.press("[name=password]", "Enter")
        page.wait_for_selector("#dashboard")
        for _, url in wanted:
            for _ in range(2):
                page.goto(server.url + url)
            if not page.locator("body").inner_text().strip():
                continue  # a piece of a page with nothing to paint
            found[url] = float(page.wait_for_function(PAINTED).json_value())  # the entry comes after the load
        started.close()
    return found


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
