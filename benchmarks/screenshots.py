"""``python -m benchmarks.screenshots``: what the console looks like, page by page, from a seeded demo.

Runs some cycles on the local venue, opens each page as an operator does, at 1440 and at 390 px, light and dark, and
writes WebP. Without ``--all`` some chosen ones, as docs/console/ has them: the desk in the light theme, the phone in
the dark one.
"""

import argparse
import base64
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.venue_process import VenueProcess

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
WIDTHS = {1440: DESK, 390: PHONE}
CHOSEN_AS = {1440: ("light",), 390: ("dark",)}
THEMES = ("light", "dark")
QUALITIES = (45, 35, 28)  # of WebP, the first with which a picture is small enough
LARGEST_BYTES = 60_000
PAINTED = """async (dark) => {
  document.documentElement.classList.toggle("dark", dark);
  for (let frame = 0; frame < 6; frame++) await new Promise(requestAnimationFrame);
  const ends = document.getAnimations().map((one) => one.finished.catch(() => null));
  await Promise.race([Promise.all(ends), new Promise((late) => setTimeout(late, 1000))]);
}"""
CYCLES = 5
SYMBOLS = 40
PASSWORD = "screenshots only"  # noqa: S105 - of a demo that ends with this command
SETTINGS = {"confidence_threshold": "0.55", "exit_confidence_threshold": "0.55", "max_coins": "8"}
CHOSEN = {
    "dashboard": "admin:index",
    "approvals": "admin:trading_approval_queue",
    "approvals-ticked": "admin:trading_approval_queue?sort=confidence&best=3",
    "positions": "admin:trading_position_changelist",
    "decisions": "admin:trading_aidecision_changelist",
    "decision": "trading.aidecision",
    "performance": "admin:trading_equitysnapshot_performance",
    "cycle": "trading.cycle",
    "orders": "admin:trading_order_changelist",
    "round-trips": "admin:trading_roundtrip_changelist",
    "propose": "admin:trading_tradeproposal_propose",
    "pause-entries": "admin:trading_agentstatus_entries",
    "settings": "admin:trading_runtimesetting_changelist",
    "limits": "admin:risk_risklimits_changelist",
    "kill-switch": "admin:risk_killswitch_changelist",
    "health": "console_health?checks=1",
}
OF_A_POSITION = {
    "symbol": "admin:trading_symbol",
    "position": "admin:trading_position_change",
    "close": "admin:trading_position_close",
}


def main() -> int:
    """Take the pictures; return 1 where one is too large for the repository, or a page fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screenshots", description=__doc__)
    parser.add_argument(
        "--into", type=Path, default=Path("docs/console"), help="folder (default %(default)s)"
    )
    parser.add_argument("--all", action="store_true", help="every page, both widths, both themes")
    options = parser.parse_args()
    os.environ |= {"ORCHESTRATOR_MODE": "autonomous", "DJANGO_ALLOW_ASYNC_UNSAFE": "true"}
    from benchmarks.world import measured_world

    with measured_world({"fill_latency": 0}) as venue:
        logging.disable(logging.WARNING)
        seeded(venue)
        return _taken(options.into, everything=options.all)


def seeded(venue: "VenueProcess") -> None:
    """Let the agent trade for some minutes, and then ask before it does; somebody changes settings and limits."""
    from benchmarks.churn import run_cycle
    from tests.factories import make_heartbeat, make_limits
    from trading.core.settings import set_runtime_setting
    from trading.models import AgentStatus, Asset

    for name, value in SETTINGS.items():
        set_runtime_setting(name=name, value=value, actor="ann", reason="to see more trades")
    make_limits(author="ann", note="room for the demo", max_positions=40, max_exposure_percent=90)
    venue.clock(paused=True)
    venue.clock(to="open")
    stocks = Asset.objects.filter(asset_class="stock", fractionable=True).order_by("-dollar_volume", "symbol")
    symbols = [asset.symbol for asset in stocks[:SYMBOLS]]
    for number in range(CYCLES + 1):
        mode = "semi_auto" if number == CYCLES else "autonomous"
        AgentStatus.objects.update(mode=mode)
        venue.clock(advance=60)
        run_cycle(symbols if number == CYCLES else symbols[: SYMBOLS // 2])
    _closed_and_protected()
    for process in ("sweeper", "protection", "listener", "relay", "consume_events", "evaluator"):
        make_heartbeat(process)


def _closed_and_protected() -> None:
    """Sell two positions, and have stops rest at the broker for the others."""
    from tests.waiting import wait_until
    from trading.execution import unattended_orders
    from trading.execution.portfolio import sync_portfolio
    from trading.exits.closing import close_position
    from trading.exits.keeping import Keeper
    from trading.exits.standing import note_all
    from trading.models import Position
    from trading.protection.coverage import read_coverage

    for position in Position.objects.order_by("-unrealised_pnl")[:2]:
        order = close_position(position.pk, quantity=None, reason="operator", actor="ann")
        wait_until(lambda pk=order.pk: not unattended_orders.follow_order(pk).is_open, what="it is sold")  # type: ignore[misc]  # bound now
    held = set(Position.objects.values_list("symbol", flat=True))
    wait_until(lambda: Keeper().keep() or held <= set(read_coverage()), what="stops rest")
    sync_portfolio(None)
    note_all(lambda _: False)


def _taken(into: Path, *, everything: bool) -> int:
    from playwright.sync_api import sync_playwright

    from tests.trading.admin.browser.conftest import ARGUMENTS, chromium, running_live_server

    into.mkdir(parents=True, exist_ok=True)
    name = _operator()
    failed = False
    with running_live_server() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport=DESK, reduced_motion="reduce")
        page.goto(f"{server.url}/admin/")
        page.fill("[name=username]", name)
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_selector("#dashboard")
        pages = dict(every_page()) if everything else dict(_chosen())
        for title, address in pages.items():
            answer = page.goto(server.url + address)
            failed |= answer is None or answer.status >= 400
            failed |= _shots(page, into, title, everything=everything)
        browser.close()
    return int(failed)


def _operator() -> str:
    from django.contrib.auth.models import User

    user = User.objects.get(is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    return str(user.username)


def _chosen() -> Iterator[tuple[str, str]]:
    from django.apps import apps
    from django.urls import reverse

    for title, what in CHOSEN.items():
        if ":" in what or what.startswith("console_"):
            name, mark, query = what.partition("?")
            yield title, reverse(name) + mark + query
            continue
        model = apps.get_model(what)
        row = _shown_row(model)
        if row is not None:
            yield title, reverse(f"admin:{what.replace('.', '_')}_change", args=[row.pk])
    position = apps.get_model("trading.position")
    held = position._default_manager.filter(asset_class="stock").order_by("-market_value").first()
    if held is not None:
        yield from ((title, reverse(name, args=[held.pk])) for title, name in OF_A_POSITION.items())


def _shown_row(model: Any) -> Any:
    """Return the newest row, of decisions one that was traded."""
    rows = model._default_manager.order_by("-pk")
    traded = rows.filter(status="executed") if model.__name__ == "AIDecision" else rows
    return traded.first() or rows.first()


def every_page() -> Iterator[tuple[str, str]]:
    """Yield each page's name and address: those of the menu and its like, each list, a row of each table."""
    from django.urls import reverse

    from orchestrator_project import urls
    from tests.trading.admin.doors import address, label_of, own_pages, pages, url_of

    yield "dashboard", reverse("admin:index")
    for one in urls.urlpatterns:
        named = str(getattr(one, "name", "") or "")
        if named.startswith("console_"):
            yield named.removeprefix("console_"), reverse(named)
    for page in pages():
        label, row = label_of(page).replace(".", "-"), _shown_row(page.model)
        yield f"{label}-list", url_of(page, "changelist")
        if row is None:
            continue
        yield label, url_of(page, "change", row.pk)
        for own in own_pages(page):
            yield f"{label}-{re.sub(r'^[a-z]+_[a-z]+_', '', own.name or '')}", address(own.name or "", row)


def _shots(page: "Page", into: Path, title: str, *, everything: bool) -> bool:
    """Take the open page in its widths and themes; return whether one is too large."""
    is_too_large = False
    for width, size in WIDTHS.items():
        page.set_viewport_size(size)  # type: ignore[arg-type]  # a typed dict of the same keys
        for theme in THEMES if everything else CHOSEN_AS[width]:
            page.evaluate(PAINTED, theme == "dark")
            content = _picture(page)
            (into / f"{title}-{width}-{theme}.webp").write_bytes(content)
            is_too_large |= not everything and len(content) > LARGEST_BYTES
            sys.stdout.write(f"{title}-{width}-{theme}.webp: {len(content) / 1000:.0f} KB\n")
    return is_too_large


def _picture(page: "Page") -> bytes:
    """Return what is seen, as WebP."""
    session = page.context.new_cdp_session(page)
    content = b""
    for quality in QUALITIES:
        taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        content = base64.b64decode(taken["data"])
        if len(content) <= LARGEST_BYTES:
            break
    session.detach()
    return content


if __name__ == "__main__":
    sys.exit(main())
