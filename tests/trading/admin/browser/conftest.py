"""A real browser against a real server; skipped, and said so, where Debian's Chromium is not installed.

Its headless shell is the same engine without the browser around it: a page takes a third of the CPU.
"""

import shutil
import socket
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Error, Page, ViewportSize, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.factories import make_user
from tests.seeding import seed_again
from tests.trading.admin.browser.serving import listening, served

PROGRAMS = ("chromium-headless-shell", "chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--no-opt --no-maglev",  # no page lives for as long as it takes to earn back its optimised code
]
PASSWORD = "correct horse"
DESK: ViewportSize = {"width": 1500, "height": 950}
PATIENCE_MILLISECONDS = 90_000  # of whoever waits for a page: a busy machine paints it late
expect.set_options(timeout=PATIENCE_MILLISECONDS)


def chromium() -> str | None:
    """Return the program to start, None where none is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for the tests of this folder, which run one after the other (tests/pools.py).

    Playwright's synchronous interface keeps an event loop running in the tests' thread, in which Django
    refuses every query; the queries of these tests and of their clean-up are synchronous all the same.
    """
    program = chromium()
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium-headless-shell")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def seeded(transactional_db: None) -> None:
    """The database as after the first start."""
    seed_again()


@pytest.fixture(scope="package")
def address() -> Iterator[socket.socket]:
    """Where the servers of all tests of a folder listen, one after the other: to the browser they are one."""
    with listening() as listener:
        yield listener


@pytest.fixture
def live_server(transactional_db: None, address: socket.socket) -> Iterator[LiveServer]:
    """A server for the test alone, at rest before the database is flushed."""
    with served(address) as server:
        yield server


class Tab:
    """One tab for the tests of a folder: what its pages share is read, compiled and decoded once.

    A new tab, even of the same context, takes three times the CPU of the next page of one that is open.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._page: Page | None = None

    def take(self) -> Page:
        """Return its page, as wide as a desk."""
        if self._page is None:
            self._page = new_context(self._browser).new_page()
        self._page.set_viewport_size(DESK)
        return self._page

    def leave(self, url: str) -> None:
        """Forget who was there and what they did, on a page of the same origin that asks for nothing."""
        if self._page is None:
            return
        try:
            self._page.context.set_offline(False)
            self._page.context.clear_cookies()
            self._page.goto(f"{url}/static/console/console.css")
            self._page.evaluate("localStorage.clear(); sessionStorage.clear()")
        except Error:  # a page that a failed test left behind as it was
            self.close()

    def close(self) -> None:
        """Take another one the next time."""
        if self._page is not None:
            self._page.context.close()
            self._page = None


@pytest.fixture(scope="package")
def tab(browser: Browser) -> Iterator[Tab]:
    """The tab of the first user of each test."""
    kept = Tab(browser)
    yield kept
    kept.close()


def new_context(browser: Browser) -> BrowserContext:
    """Return what shares nothing with any other page."""
    context = browser.new_context(viewport=DESK)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    return context


@pytest.fixture
def enter(browser: Browser, tab: Tab, live_server: LiveServer, seeded: None) -> Iterator[Callable[..., Page]]:
    """Return a function that logs a new user of a group ("superuser" for one) in and returns their dashboard.

    The form of the login is for test_kept.py. A second user of a test, and who is to be ``alone``, has a context of
    their own.
    """
    contexts: list[BrowserContext] = []
    entered: list[Page] = []

    def _enter(group: str, *, alone: bool = False) -> Page:
        all_may = group == "superuser"
        user: User = make_user(is_superuser=all_may, group="" if all_may else group)
        if alone or entered:
            contexts.append(new_context(browser))
            page = contexts[-1].new_page()
        else:
            page = tab.take()
        entered.append(page)
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        page.context.add_cookies(
            [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
        )
        page.goto(f"{live_server.url}/admin/")
        page.wait_for_selector("#dashboard")
        return page

    yield _enter
    for context in contexts:
        context.close()
    tab.leave(live_server.url)
