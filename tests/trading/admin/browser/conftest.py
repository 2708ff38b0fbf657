"""A real browser against a real server; skipped, and said so, where Debian's Chromium is not installed.

Its headless shell is the same engine without the browser around it: a page takes a third of the CPU.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.factories import make_user
from tests.seeding import seed_again

PROGRAMS = ("chromium-headless-shell", "chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse"
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


@contextmanager
def running_live_server() -> Iterator[LiveServer]:
    """Serve while the block runs, and after it until the last request is answered.

    A page that is closed leaves its requests behind, and the server would go on answering them while the
    tables are emptied for the next test: PostgreSQL ends such a meeting as a deadlock.
    """
    server = LiveServer("localhost")
    server.thread.httpd.daemon_threads = False  # socketserver waits for these threads when it closes
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def live_server(transactional_db: None) -> Iterator[LiveServer]:
    """A server for the test alone, at rest before the database is flushed."""
    with running_live_server() as server:
        yield server


@pytest.fixture
def enter(browser: Browser, live_server: LiveServer, seeded: None) -> Iterator[Callable[[str], Page]]:
    """Return a function that logs a new user of a group ("superuser" for one) in and returns their dashboard."""
    contexts = []

    def _enter(group: str) -> Page:
        all_may = group == "superuser"
        user: User = make_user(is_superuser=all_may, group="" if all_may else group)
        context = browser.new_context(viewport={"width": 1500, "height": 950})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{live_server.url}/admin/")
        page.fill("[name=username]", user.username)
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_selector("#dashboard")
        return page

    yield _enter
    for context in contexts:
        context.close()
