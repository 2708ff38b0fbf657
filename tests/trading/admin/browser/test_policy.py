"""The pages work under their Content-Security-Policy, and a script that is not ours does not run."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

pytestmark = pytest.mark.system

PATHS = [
    "/admin/",
    "/admin/risk/killswitch/",
    "/admin/risk/killswitch/engage/",
    "/admin/trading/approval/queue/",
    "/admin/trading/order/",
    "/admin/trading/runtimesetting/",
    "/admin/trading/apitoken/",
    "/docs",
]


def watched(page: Page) -> list[str]:
    """Return what the browser will have complained about."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


@pytest.mark.parametrize("path", PATHS)
def test_page_needs_nothing_that_its_policy_forbids(
    enter: Callable[[str], Page], live_server: LiveServer, path: str
) -> None:
    page = enter("risk officer")
    said = watched(page)

    answer = page.goto(f"{live_server.url}{path}", wait_until="networkidle")

    assert answer is not None
    assert answer.ok
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert [each for each in said if "Content Security Policy" in each or "unsafe-eval" in each] == []


def test_document_is_shown(enter: Callable[[str], Page], live_server: LiveServer) -> None:
    page = enter("risk officer")

    page.goto(f"{live_server.url}/docs")

    page.get_by_text("/kill-switch").first.wait_for()


def test_strange_script_does_not_run(enter: Callable[[str], Page]) -> None:
    page = enter("viewer")

    page.evaluate(
        "() => { const strange = document.createElement('div');"
        " strange.innerHTML = '<img src=x onerror=\"window.strange = 1\">'; document.body.append(strange);"
        " const script = document.createElement('script'); script.textContent = 'window.strange = 2';"
        " document.body.append(script); }"
    )
    page.wait_for_timeout(500)

    assert page.evaluate("() => window.strange") is None
