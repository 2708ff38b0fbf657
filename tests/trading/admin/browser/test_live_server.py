"""The server of the browser tests is at rest when a test is over."""

import time
from collections.abc import Callable

import pytest
import requests

from tests.trading.admin.browser.serving import listening, served

pytestmark = pytest.mark.system


def test_server_answers_before_it_ends_what_nobody_waits_for() -> None:
    """The dashboard of a closed page was still being read when the tables were emptied: a deadlock, in CI."""
    answered = []

    def slow(
        environ: dict[str, object], start_response: Callable[[str, list[tuple[str, str]]], object]
    ) -> list[bytes]:
        time.sleep(2)
        answered.append(environ["PATH_INFO"])
        start_response("204 No Content", [])
        return []

    with listening() as listener, served(listener) as server:
        server.thread.httpd.set_app(slow)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{server.url}/left", timeout=(60, 0.5))

    assert answered == ["/left"]
