"""A chat model that takes its time and decides as it is told: to buy these symbols, to sell those, to hold the rest."""

import asyncio
import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cycles.cases import CHAT_SECONDS

CONFIDENCE = 0.9


@dataclass(slots=True)
class Chat:
    """A handler of ``tests.ai.chat_server``; ``calls`` are (begin, end) in unix seconds."""

    buys: Collection[str] = ()
    sells: Collection[str] = ()
    calls: list[tuple[float, float]] = field(default_factory=list)

    async def answer(self, request: Any, body: dict[str, Any]) -> Any:
        """Answer soundly after the delay."""
        from aiohttp import web

        from ai.domain.prompt import read_facts
        from tests.ai.chat_server import envelope

        began = time.time()
        await asyncio.sleep(CHAT_SECONDS)
        asked = [fact["symbol"] for fact in read_facts(body["messages"])["symbols"]]
        content = json.dumps({"decisions": [self._decide(symbol) for symbol in asked]})
        self.calls.append((began, time.time()))
        return web.json_response(envelope(content, model=body["model"]))

    def _decide(self, symbol: str) -> dict[str, Any]:
        action = "buy" if symbol in self.buys else "sell" if symbol in self.sells else "hold"
        return {"symbol": symbol, "action": action, "confidence": CONFIDENCE, "reasoning": "It is measured."}
