"""How soon the switch is answered under half-sent requests and endless bodies: ``python -m benchmarks.half_sent``."""

import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import requests

from benchmarks.world import measured_world

LIMIT_SECONDS = 2.0
HALF_SENT = (16, 200, 2_000)
BODIES = 10
BODY_BYTES = 300_000_000
TRIES = 15
BODY = b"POST /api/kill-switch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n{"
HEADER = b"GET /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
SPOOLED = 1_000_000
PASSWORD = "a long pass phrase"  # noqa: S105 - of the measured world alone


class Attack(threading.Thread):
    """Begins requests until it is told to stop; what the server closes is begun anew."""

    def __init__(self, port: int, start: bytes, count: int) -> None:
        super().__init__(daemon=True)
        self._port, self._start, self._count = port, start, count
        self._ended = threading.Event()
        self.is_full = threading.Event()
        self._held: list[socket.socket] = []

    def run(self) -> None:
        """Keep as many half-sent requests open as wanted."""
        while not self._ended.is_set():
            self._held = [each for each in self._held if self._is_open(each)]
            while len(self._held) < self._count and not self._ended.is_set():
                with suppress(OSError):
                    connection = socket.create_connection(("127.0.0.1", self._port), timeout=5)
                    connection.sendall(self._start)
                    connection.setblocking(False)
                    self._held.append(connection)
            self.is_full.set()
            self._ended.wait(0.5)

    def stop(self) -> None:
        """Close all."""
        self._ended.set()
        self.join(30)
        for connection in self._held:
            connection.close()

    @staticmethod
    def _is_open(connection: socket.socket) -> bool:
        try:
            connection.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            pass
        connection.close()
        return False


class Flood(threading.Thread):
    """Sends bodies of 300 MB, declared or in chunks, one after the other."""

    def __init__(self, port: int, *, is_chunked: bool) -> None:
        super().__init__(daemon=True)
        self._port, self._is_chunked = port, is_chunked
        self._ended = threading.Event()

    def run(self) -> None:
        """Send until it is told to stop."""
        length = b"Transfer-Encoding: chunked" if self._is_chunked else b"Content-Length: %d" % BODY_BYTES
        head = b"POST /api/cycles/start HTTP/1.1\r\nHost: 127.0.0.1\r\n" + length + b"\r\n\r\n"
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n" if self._is_chunked else b"x" * 65_536
        while not self._ended.is_set():
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection,
            ):
                connection.sendall(head)
                for _ in range(BODY_BYTES // 65_536):
                    connection.sendall(piece)
                    if self._ended.is_set():
                        break

    def stop(self) -> None:
        """Stop to send."""
        self._ended.set()
        self.join(30)


@contextmanager
def attacked(attackers: "list[Attack | Flood]") -> Iterator[None]:
    """Attack while the block runs."""
    for each in attackers:
        each.start()
    for each in attackers:
        if isinstance(each, Attack):
            each.is_full.wait(60)
    try:
        yield
    finally:
        for each in attackers:
            each.stop()


def spooled(pid: int) -> int:
    """Return the bytes in files that a process has open and that have no name any more."""
    total = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if str(entry.readlink()).endswith("(deleted)"):
                total += entry.stat().st_size
    return total


def by_rest(url: str, token: str) -> None:
    """Engage the switch."""
    body = {"action": "engage", "reason": "benchmark"}
    headers = {"Authorization": f"Token {token}"}
    answer = requests.post(f"{url}/api/kill-switch", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text


def by_console(url: str, session: requests.Session) -> None:
    """Press the button on the switch's page."""
    page = session.get(f"{url}/admin/risk/killswitch/engage/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token, page.text
    form = {"reason": "benchmark", "csrfmiddlewaretoken": token[1]}
    answer = session.post(f"{url}/admin/risk/killswitch/engage/", form, timeout=30, allow_redirects=False)
    assert answer.status_code == 302, answer.text


def logged_in(url: str, name: str) -> requests.Session:
    """Return a session of the console."""
    session = requests.Session()
    page = session.get(f"{url}/admin/login/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token, page.text
    form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": token[1], "next": "/admin/login/"}
    assert session.post(f"{url}/admin/login/", form, timeout=30, allow_redirects=False).status_code == 302
    return session


def slowest(act: Callable[[], None]) -> float:
    """Return how long the slowest of some tries took, in seconds."""
    longest = 0.0
    for _ in range(TRIES):
        began = time.perf_counter()
        act()
        longest = max(longest, time.perf_counter() - began)
    return longest


def main() -> int:
    """Measure and print; return 1 when a limit was passed."""
    is_kept = True
    with measured_world(), ExitStack() as stack:
        from orchestrator_project.runtime.prepare import seed
        from tests.factories import make_user
        from tests.trading.api.server import running_server
        from trading.access.api_tokens import issue_token

        seed()
        user = make_user(is_superuser=True)
        user.set_password(PASSWORD)
        user.save()
        token = issue_token(user=user).text
        server = stack.enter_context(running_server())
        port = int(server.url.rpartition(":")[2])
        session = logged_in(server.url, user.username)
        attacks: dict[str, list[Attack | Flood]] = {"nobody": []}
        for count in HALF_SENT:
            attacks[f"{count} half bodies"] = [Attack(port, BODY, count)]
            attacks[f"{count} half headers"] = [Attack(port, HEADER, count)]
        attacks[f"{BODIES} bodies of {BODY_BYTES // 1_000_000} MB"] = [
            Flood(port, is_chunked=bool(number % 2)) for number in range(BODIES)
        ]
        for name, attackers in attacks.items():
            with attacked(attackers):
                rest = slowest(lambda: by_rest(server.url, token))
                console = slowest(lambda: by_console(server.url, session))
                files = spooled(server.process.pid)
                memory = server.process.memory_info().rss // 1_000_000
            is_kept &= max(rest, console) <= LIMIT_SECONDS and files <= SPOOLED
            sys.stdout.write(
                f"{name:>24}: by REST {rest:.2f} s, by console {console:.2f} s (slowest of {TRIES});"
                f" {files:,} bytes spooled, {memory} MB\n"
            )
            sys.stdout.flush()
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
