"""A queue that hangs, stopped and not dead: it takes connections, and answers nothing."""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from django.conf import settings

from tests.e2e.system import System
from tests.factories import make_user
from tests.ports import free_port
from tests.waiting import wait_until
from trading.access.api_tokens import issue_token
from trading.models import Cycle

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
# Far below the half minute that one socket timeout of a consumer takes; the answer itself is due within 5 s.
ANSWERED_WITHIN_SECONDS = 12


class Hose:
    """Forwards connections to the queue; squeezed it forwards nothing, and still takes connections."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._flows = threading.Event()
        self._flows.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The queue's address through this hose."""
        user, _, _ = self._parts.netloc.rpartition("@")
        host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        return urlunsplit(self._parts._replace(netloc=f"{user}@{host}" if user else host))

    def squeeze(self) -> None:
        self._flows.clear()

    def close(self) -> None:
        self._flows.set()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection((self._parts.hostname or "", self._parts.port or 6379))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while content := source.recv(65_536):
                self._flows.wait()
                sink.sendall(content)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def hose() -> Iterator[Hose]:
    hose = Hose(settings.REDIS_URL)
    yield hose
    hose.close()


@pytest.fixture
def console(system: System, hose: Hose) -> Iterator[str]:
    """The address of a web process that reaches the queue through the hose; everything else goes directly."""
    home = Path(tempfile.mkdtemp(prefix="web-", dir=settings.ENVIRONMENT.orchestrator_home))
    port = free_port()
    web = System(home, variables={"REDIS_URL": hose.url}, also=frozenset({"web"}), port=port)
    web.start_one("web")
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _is_up(url), seconds=180, what=f"the web process answers: {web.log('web')[-500:]}")
    yield url
    web.stop()
    shutil.rmtree(home, ignore_errors=True)


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/live", timeout=120).ok
    except requests.ConnectionError:
        return False


def start_cycle(url: str, token: str) -> str:
    answer = requests.post(
        f"{url}/api/cycles/start",
        json={"symbols": ["BTC/USD"]},
        headers={"Authorization": f"Token {token}"},
        timeout=ANSWERED_WITHIN_SECONDS,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def has_completed(cycle_id: str) -> bool:
    return Cycle.objects.get(pk=cycle_id).status == "completed"


def test_cycle_that_a_hanging_queue_did_not_take_is_answered_and_taken_up(console: str, hose: Hose) -> None:
    token = issue_token(user=make_user(is_superuser=True)).text
    first = start_cycle(console, token)
    wait_until(lambda: has_completed(first), what="the cycle before it hangs")

    hose.squeeze()
    second = start_cycle(console, token)

    wait_until(lambda: has_completed(second), what="the cycle whose message was not taken")
