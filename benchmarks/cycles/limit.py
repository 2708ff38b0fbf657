"""What nothing can be faster than: the necessary requests in their necessary order, by a bare program.

All fetches at once, then all model calls at once, then all orders at once, then the fills on the stream. No database,
no queue, no gate: the same venue options, the same delays, the same machine, in the same run.
"""

import asyncio
import json
import math
import time
from collections.abc import Sequence
from typing import Any

import aiohttp

from benchmarks.cycles.cases import Case

KEYS = {"APCA-API-KEY-ID": "limit", "APCA-API-SECRET-KEY": "limit"}
SYMBOLS_A_REQUEST, SYMBOLS_A_CALL = 50, 20
PATIENCE_SECONDS = 60.0


def measure(case: Case, *, venue_url: str, chat_url: str, symbols: Sequence[str]) -> float:
    """Return the seconds from the first request to the last fill."""
    return asyncio.run(_once(case, venue_url, chat_url, symbols))


async def _once(case: Case, venue_url: str, chat_url: str, symbols: Sequence[str]) -> float:
    connector = aiohttp.TCPConnector(limit=0)
    patience = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(headers=KEYS, connector=connector, timeout=patience) as session:
        await _get(session, f"{venue_url}/v2/clock", {})
        async with session.ws_connect(f"{venue_url}/stream") as stream:
            await _listen(stream)
            bought = symbols[: case.orders]
            began = time.perf_counter()
            answers = await asyncio.gather(*(_get(session, *one) for one in _fetches(venue_url, symbols)))
            sizes = _sizes(answers)
            calls = math.ceil(len(symbols) / SYMBOLS_A_CALL)
            await asyncio.gather(*(_ask(session, chat_url) for _ in range(calls)))
            await asyncio.gather(*(_order(session, venue_url, symbol, sizes[symbol]) for symbol in bought))
            await _filled(stream, len(bought))
            took = time.perf_counter() - began
        for position in await _get(session, f"{venue_url}/v2/positions", {}):
            await _order(session, venue_url, position["symbol"], position["qty"], side="sell")
    return took


def _fetches(venue_url: str, symbols: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    stocks = [symbol for symbol in symbols if "/" not in symbol]
    coins = [symbol for symbol in symbols if "/" in symbol]
    batches = [
        stocks[first : first + SYMBOLS_A_REQUEST] for first in range(0, len(stocks), SYMBOLS_A_REQUEST)
    ]
    return [
        *((f"{venue_url}/v2/stocks/snapshots", {"symbols": ",".join(batch)}) for batch in batches),
        (f"{venue_url}/v1beta3/crypto/us/snapshots", {"symbols": ",".join(coins)}),
        (f"{venue_url}/v1beta1/news", {"symbols": ",".join(stocks[:SYMBOLS_A_REQUEST]), "limit": "50"}),
        (f"{venue_url}/v2/account", {}),
        (f"{venue_url}/v2/positions", {}),
        (f"{venue_url}/v2/clock", {}),
    ]


def _sizes(answers: Sequence[Any]) -> dict[str, str]:
    """Return for each symbol that has a price how much is ordered: a share, or coins for 20 USD."""
    sizes = {}
    for answer in answers:
        snapshots = answer.get("snapshots", answer) if isinstance(answer, dict) else {}
        for symbol, snapshot in snapshots.items():
            if isinstance(snapshot, dict) and "latestTrade" in snapshot:
                price = snapshot["latestTrade"]["p"]
                sizes[symbol] = f"{20 / price:.6f}" if "/" in symbol else "1"
    return sizes


async def _get(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> Any:
    async with session.get(url, params=query) as reply:
        reply.raise_for_status()
        return await reply.json()


async def _ask(session: aiohttp.ClientSession, chat_url: str) -> None:
    facts = '```json\n{"symbols": []}\n```'
    body = {"model": "bench", "messages": [{"role": "user", "content": facts}]}
    async with session.post(f"{chat_url}/chat/completions", json=body) as reply:
        reply.raise_for_status()
        await reply.read()


async def _order(
    session: aiohttp.ClientSession, venue_url: str, symbol: str, quantity: str, *, side: str = "buy"
) -> None:
    force = "gtc" if "/" in symbol or symbol.endswith("USD") else "day"
    body = {"symbol": symbol, "qty": quantity, "side": side, "type": "market", "time_in_force": force}
    async with session.post(f"{venue_url}/v2/orders", json=body) as reply:
        reply.raise_for_status()
        await reply.read()


async def _listen(stream: aiohttp.ClientWebSocketResponse) -> None:
    keys = {"key_id": "limit", "secret_key": "limit"}
    await stream.send_json({"action": "authenticate", "data": keys})
    await stream.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
    while json.loads((await stream.receive()).data)["stream"] != "listening":
        pass


async def _filled(stream: aiohttp.ClientWebSocketResponse, wanted: int) -> None:
    filled = 0
    while filled < wanted:
        said = json.loads((await stream.receive(PATIENCE_SECONDS)).data)
        filled += said["data"].get("event") == "fill"
