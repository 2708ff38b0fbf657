"""A cycle of 140 symbols with slow outsiders: where its time goes, and what it costs the analyst's process.

``python -m benchmarks.analysis``: the real processes, the venue with 100 ms more on every data request, and a
chat endpoint that takes 500 ms a call. The critical path is what the outsiders alone take.
"""

import asyncio
import json
import logging
import math
import os
import sys
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.world import measured_world

CHAT_SECONDS, DATA_SECONDS = 0.5, 0.1
STOCKS, COINS = 120, 20
CYCLES = 3
DATA_ROUTES = ("GET /v2/stocks*", "GET /v1beta*", "GET /v1beta3*", "GET /api/*")


@dataclass(slots=True)
class Chat:
    """What the endpoint saw: calls, and the most at once."""

    calls: int = 0
    under_way: int = 0
    most: int = 0

    async def answer(self, request: Any, body: dict[str, Any]) -> Any:
        """Answer soundly after the delay."""
        from aiohttp import web

        from tests.ai.chat_server import decide_all, envelope

        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(CHAT_SECONDS)
        self.under_way -= 1
        return web.json_response(envelope(decide_all(body, action="hold"), model=body["model"]))


@dataclass(slots=True)
class Watch:
    """CPU seconds and the largest RSS of the analyst's processes while a cycle runs."""

    processes: list[psutil.Process]
    peak_bytes: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def cpu_seconds(self) -> float:
        """Return user and system time of all of them together."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def during(self, work: Callable[[], Any]) -> tuple[Any, float]:
        """Run ``work``; return what it returned and the CPU seconds spent meanwhile."""
        thread = threading.Thread(target=self._look)
        self._stop.clear()
        began = self.cpu_seconds()
        thread.start()
        try:
            return work(), self.cpu_seconds() - began
        finally:
            self._stop.set()
            thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self.peak_bytes = max(self.peak_bytes, sum(p.memory_info().rss for p in self.processes))


def main() -> int:
    """Measure some cycles and print them; return 1 when one did not complete."""
    with measured_world():
        logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
        from tests.ai.chat_server import ChatServer

        _slow_the_venue()
        chat = Chat()
        with ChatServer() as server:
            server.handlers["bench"] = chat.answer
            return _measure(chat, server.api_base)


def _measure(chat: Chat, api_base: str) -> int:
    from tests.e2e.system import System

    home = Path(os.environ["ORCHESTRATOR_HOME"])
    system = System(
        home,
        variables={"AI_MODELS": "openai/bench", "AI_API_BASE": api_base, "AI_API_KEY": "bench"},
    )
    system.start()
    try:
        analyst = system.processes("analyst")
        lines = [_one_cycle(number, chat, Watch(analyst)) for number in range(1, CYCLES + 1)]
    finally:
        system.stop()
    sys.stdout.write("\n".join(line for line, _ in lines) + "\n")
    return 0 if all(done for _, done in lines) else 1


def _one_cycle(number: int, chat: Chat, watch: Watch) -> tuple[str, bool]:
    from tests.e2e.system import run_cycle_json
    from trading.core import settings
    from trading.domain.symbols import is_coin
    from trading.models import DecisionRecord, Event

    before = chat.calls
    chat.most = 0
    done, cpu = watch.during(run_cycle_json)
    calls = chat.calls - before
    events = Event.objects.filter(cycle_id=done["cycle_id"], type__startswith="cycle.step.")
    took = {
        event.type.rpartition(".")[2]: event.payload["seconds"]
        for event in events
        if "seconds" in event.payload
    }
    symbols = done["symbols"]
    coins = sum(map(is_coin, symbols))
    fetched = max(seconds for step, seconds in took.items() if step != "analysis")
    record = DecisionRecord.objects.latest("created_at")
    floor = math.ceil(calls / settings.count("model_concurrency")) * CHAT_SECONDS
    line = (
        f"cycle {number}: {done['status']} in {done['duration_seconds']:.2f} s, {len(symbols) - coins} stocks,"
        f" {coins} coins, {done['decisions_count']} decisions\n"
        f"  fetch, the slowest of {len(took) - 1} steps: {fetched:.2f} s\n"
        f"  analysis {took['analysis']:.2f} s of which the endpoint alone {floor:.2f} s:"
        f" {calls} calls, at most {chat.most} at once\n"
        f"  analyst: {cpu:.2f} s CPU, {watch.peak_bytes / 1e6:.0f} MB RSS at most (parent and child)\n"
        f"  record of the decisions: {record.size / 1e3:.0f} KB, stored in {len(record.body) / 1e3:.0f} KB"
    )
    return line, done["status"] == "completed"


def _slow_the_venue() -> None:
    url = json.loads((Path(os.environ["ORCHESTRATOR_HOME"]) / "venue.json").read_text())["url"]
    for route in DATA_ROUTES:
        body = json.dumps({"kind": "latency", "route": route, "seconds": DATA_SECONDS}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own venue on loopback
            f"{url}/venue/faults", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - see above
            pass


if __name__ == "__main__":
    sys.exit(main())
