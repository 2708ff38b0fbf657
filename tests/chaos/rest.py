"""The running system's REST as a user has it: a token, and cycles started by hand."""

from typing import Any

import httpx

from tests.chaos.arena import Arena
from tests.waiting import wait_until

CYCLE_SECONDS = 400  # a cycle has its own deadline of 100; a busy machine stands still meanwhile
ANSWER_SECONDS = 120
NOT_REACHED = 599


class Rest:
    """The REST of a running arena, waited for; what answered 500 and more (503 apart) is kept in ``server_errors``."""

    def __init__(self, arena: Arena) -> None:
        self.server_errors: list[str] = []
        token = arena.manage("api_token", "admin").stdout.strip()
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{arena.port}/api",
            headers={"Authorization": f"Token {token}"},
            timeout=ANSWER_SECONDS,
        )
        wait_until(lambda: self.ask("GET", "/mode").status_code == 200, seconds=180, what="the web process")

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Return the answer; one with status 599 where there is none."""
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            return httpx.Response(NOT_REACHED, text=type(error).__name__)
        if answer.status_code >= 500 and answer.status_code != 503:
            self.server_errors.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer

    def start_cycle(self, asked: dict[str, str]) -> str:
        """Start a cycle as soon as none is open; return its id."""
        started: list[str] = []

        def start() -> bool:
            answer = self.ask("POST", "/cycles/start", asked)
            if answer.status_code == 202:
                started.append(str(answer.json()["id"]))
            return bool(started)

        wait_until(start, seconds=CYCLE_SECONDS, what="the start of a cycle")
        return started[0]
