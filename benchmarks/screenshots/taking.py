"""Pages in a real browser, and their pictures: as tall as the page, up to a limit, as WebP."""

import base64
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.screenshots.pages import Shot

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTHS = {1440: (900, 1400), 390: (844, 1800)}  # px: how tall a picture is at least and at most
THEMES = ("light", "dark")
SCALES = {1440: 0.6, 390: 0.8}  # of a picture to its page; those of the main pages:
MAIN_SCALES = {1440: 0.8, 390: 1.0}
QUALITY = 25  # of WebP
PASSWORD = "screenshots only"  # noqa: S105 - of a demo that ends with this command
PAINTED = """async (dark) => {
  document.documentElement.classList.toggle("dark", dark);
  for (let frame = 0; frame < 6; frame++) await new Promise(requestAnimationFrame);
  const ends = document.getAnimations().map((one) => one.finished.catch(() => null));
  await Promise.race([Promise.all(ends), new Promise((late) => setTimeout(late, 1000))]);
}"""
TALL = "() => Math.max(document.documentElement.scrollHeight, document.querySelector('#main')?.scrollHeight ?? 0)"
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What is said of this machine is no part of a picture.
WITHOUT_PATHS = """(paths) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) for (const path of paths)
    texts.currentNode.data = texts.currentNode.data.replaceAll(path, "~/trading-orchestrator");
}"""


def take(
    into: Path, shots: Iterable[Shot], *, paths: Iterable[str] = (), is_whole: bool = False
) -> list[str]:
    """Take every page; return in words what failed: answers, scripts, pages that scroll sideways on a phone.

    Args:
        paths: of this machine, which no picture shows.
        is_whole: at the page's own scale, in more detail, to be looked at and not to be kept.
    """
    from playwright.sync_api import sync_playwright

    from tests.trading.admin.browser.conftest import ARGUMENTS, chromium, running_live_server

    into.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    name = _operator()
    with running_live_server() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=[*ARGUMENTS, "--font-render-hinting=none"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        here: list[str] = []
        _listen(page, here)
        page.goto(f"{server.url}/admin/")
        page.fill("[name=username]", name)
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_selector("#dashboard")
        for shot in shots:
            here.clear()
            answer = page.goto(server.url + shot.url)
            if answer is None or answer.status == 405 or not page.url.endswith(shot.url):
                continue  # what only takes answers is no page
            page.evaluate(WITHOUT_PATHS, list(paths))
            here += _pictures(page, into, shot, is_whole=is_whole)
            problems += [f"{shot.name}: {one}" for one in here]
        browser.close()
    return problems


def _listen(page: "Page", here: list[str]) -> None:
    page.on("pageerror", lambda error: here.append(f"script: {error}"))
    page.on("console", lambda said: here.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("response", lambda one: here.append(f"{one.status} {one.url}") if one.status >= 400 else None)


def _operator() -> str:
    from django.contrib.auth.models import User

    user = User.objects.get(is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    return str(user.username)


def _pictures(page: "Page", into: Path, shot: Shot, *, is_whole: bool) -> list[str]:
    """Take the open page in its widths and themes."""
    found = []
    for width, (least, most) in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": least})
        page.evaluate(PAINTED, False)
        if (over := page.evaluate(SIDEWAYS)) > 0:
            found.append(f"scrolls sideways by {over} px at {width}")
        tall = min(max(int(page.evaluate(TALL)), least), most)
        page.set_viewport_size({"width": width, "height": tall})
        scale = 1.0 if is_whole else (MAIN_SCALES if shot.is_main else SCALES)[width]
        clip = {"x": 0, "y": 0, "width": width, "height": tall, "scale": scale}
        for theme in THEMES:
            page.evaluate(PAINTED, theme == "dark")
            content = _picture(page, clip, quality=80 if is_whole else QUALITY)
            path = into / shot.file(width, theme)
            path.write_bytes(content)
            sys.stdout.write(f"{path.name}: {len(content) / 1000:.0f} KB\n")
            sys.stdout.flush()
    return found


def _picture(page: "Page", clip: dict[str, float], *, quality: int) -> bytes:
    """Return what is seen, as WebP."""
    session: Any = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": quality, "clip": clip})
    session.detach()
    return base64.b64decode(taken["data"])
