"""The web process as it runs, on the test's database, queue and venue."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests
from django.conf import settings

from orchestrator_project.runtime.processes import process_specs
from tests import forked
from tests.e2e.system import environment
from tests.ports import free_port
from tests.waiting import wait_until


class Server:
    """A running web process."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.process = psutil.Process(pid)

    def get(self, path: str, *, token: str = "", **more: object) -> requests.Response:
        """Ask, as the user of a token."""
        headers = {"Authorization": f"Token {token}"} if token else {}
        headers |= more.pop("headers", {})  # type: ignore[arg-type,assignment]
        return requests.get(f"{self.url}{path}", headers=headers, timeout=120, **more)  # type: ignore[arg-type]


@contextmanager
def running_server(**settings_of_its_own: str) -> Iterator[Server]:
    """Run the web process while the block runs, with further names in its environment."""
    port = free_port()
    home = Path(settings.ENVIRONMENT.orchestrator_home)
    spec = next(
        spec for spec in process_specs(home=home, port=port, workers=1, venue=None) if spec.name == "web"
    )
    log = home / "web-under-test.log"
    process = forked.start(spec.argv, env=environment() | settings_of_its_own, log=log)
    url = f"http://127.0.0.1:{port}"

    def serves() -> bool:
        assert process.is_alive(), log.read_text()
        try:
            return requests.get(f"{url}/health/live", timeout=60).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(serves, what="the web process serves")
        yield Server(url, process.pid)
    finally:
        process.terminate()
        process.join(120)
        assert not process.is_alive()
