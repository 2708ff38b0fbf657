"""The providers as one server in a thread: what its rules do not know is refused, and every request is noted."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Self

from aiohttp import WSMsgType, web

from tests.providers import account, rules
from tests.providers.account import PRICES, Account, stamp

API_KEY, SECRET_KEY = "PKTESTOFTHERULES", "secret-of-the-rules"
FINNHUB_KEY, COINGECKO_KEY, CHAT_KEY = "finnhub-of-the-rules", "CG-of-the-rules", "sk-of-the-rules"
FILL_SECONDS = 0.02
DAYS_OF_BARS = 60
IDS = {"bitcoin": "BTC/USD", "ethereum": "ETH/USD"}
Decide = Callable[[dict[str, Any]], str]


@dataclass(slots=True)
class Noted:
    """One request as it arrived; ``at`` is monotonic, ``status`` what it was answered, 0 as long as it was not."""

    at: float
    name: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    status: int = 0


@dataclass(slots=True)
class _Disturbance:
    name: str
    times: int | None
    status: int = 0
    seconds: float = 0.0
    gate: asyncio.Event | None = None


@dataclass(slots=True)
class ProviderStub:
    """Serves on loopback.

    ``noted`` are all requests, ``broken`` the words in which those that no provider knows were refused. ``decide``
    makes the model's answer from the request's body.
    """

    decide: Decide
    noted: list[Noted] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    account: Account = field(default_factory=Account)
    port: int = 0
    _disturbances: list[_Disturbance] = field(default_factory=list)
    _streams: list[web.WebSocketResponse] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _ready: threading.Event = field(default_factory=threading.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread | None = None
    _soon: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, *, with_keys: bool = True) -> dict[str, str]:
        """Return what a user sets to have these providers; ``with_keys``: those that can be asked without one."""
        said = {
            "ALPACA_API_KEY": API_KEY,
            "ALPACA_SECRET_KEY": SECRET_KEY,
            "ALPACA_TRADING_URL": self.url,
            "ALPACA_DATA_URL": self.url,
            "COINGECKO_URL": f"{self.url}/api/v3",
            "AI_MODELS": "openai/served",
            "AI_API_BASE": f"{self.url}/v1",
            "AI_API_KEY": CHAT_KEY,
        }
        keys = {
            "FINNHUB_API_KEY": FINNHUB_KEY,
            "FINNHUB_URL": f"{self.url}/api/v1",
            "COINGECKO_API_KEY": COINGECKO_KEY,
        }
        return said | (keys if with_keys else {})

    def refuse(self, name: str, *, status: int = 503, times: int | None = None) -> None:
        """Answer requests of a rule's name so."""
        self._disturbances.append(_Disturbance(name, times, status=status))

    def delay(self, name: str, seconds: float, *, times: int | None = None) -> None:
        """Answer them so much later."""
        self._disturbances.append(_Disturbance(name, times, seconds=seconds))

    def hold(self, name: str, *, times: int | None = None) -> Callable[[], None]:
        """Do not answer them until what is returned is called."""
        gate = asyncio.Event()
        self._disturbances.append(_Disturbance(name, times, gate=gate))
        return lambda: self._loop.call_soon_threadsafe(gate.set) and None

    def clear(self) -> None:
        """Answer everything soundly again; what is held is answered."""
        held = [one.gate for one in self._disturbances if one.gate is not None]
        self._disturbances.clear()
        for gate in held:
            self._loop.call_soon_threadsafe(gate.set)

    def asked(self, name: str) -> list[Noted]:
        """Return the requests of a rule's name, in order."""
        return [request for request in list(self.noted) if request.name == name]

    def gaps(self, name: str) -> list[float]:
        """Return the seconds between one request's arrival and the next one's."""
        times = [request.at for request in self.asked(name)]
        return [later - earlier for earlier, later in pairwise(times)]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, name="provider-stub", daemon=True)
        self._thread.start()
        assert self._ready.wait(120), "the stub did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        self._loop.call_soon_threadsafe(self._ended.set)
        assert self._thread is not None
        self._thread.join(120)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_get("/stream", self._stream)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._ended.wait()
        for task in self._soon:
            task.cancel()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        known = rules.find_rule(request.method, request.path)
        name = known[0].name if known else "unknown"
        query = dict(request.query)
        noted = Noted(time.monotonic(), name, request.method, request.path, query, body)
        self.noted.append(noted)
        status, answer = await self._judged(request, known, query, body)
        noted.status = status
        if status == 204:
            return web.Response(status=status)
        return web.json_response(answer, status=status)

    async def _judged(
        self, request: web.Request, known: tuple[rules.Rule, Mapping[str, str]] | None, query: Any, body: Any
    ) -> tuple[int, Any]:
        if known is None:
            return self._break(request, 404, "endpoint not found.")
        rule, parts = known
        problem = rules.problem_of(rule, query, body)
        if problem:
            return self._break(request, 422 if request.method == "POST" else 400, problem)
        refused = _keys_refused(request, query)
        if refused:
            return self._break(request, 401, refused)
        disturbed = await self._disturb(rule.name)
        if disturbed:
            return disturbed, rules.refusal(request.path, disturbed, "service unavailable")
        answer: tuple[int, Any] = getattr(self, f"_{rule.name.replace(' ', '_').replace('-', '_')}")(
            parts, query, body
        )
        return answer

    def _break(self, request: web.Request, status: int, message: str) -> tuple[int, Any]:
        self.broken.append(f"{request.method} {request.path_qs}: {message}")
        return status, rules.refusal(request.path, status, message)

    async def _disturb(self, name: str) -> int:
        for one in list(self._disturbances):
            if one.name != name or one.times == 0:
                continue
            one.times = None if one.times is None else one.times - 1
            if one.gate is not None:
                await one.gate.wait()
            await asyncio.sleep(one.seconds)
            return one.status
        return 0

    def _account(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, self.account.account()

    def _clock(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, self.account.clock()

    def _assets(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, self.account.assets(query)

    def _positions(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, self.account.positions()

    def _position(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        held = {
            account.compact(symbol): (symbol, quantity) for symbol, quantity in self.account.held().items()
        }
        if parts["symbol"] not in held:
            return 404, {"code": 40410000, "message": "position does not exist"}
        return 200, self.account.position(*held[parts["symbol"]])

    def _orders(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, self.account.listed(query)

    def _look_up(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        found = self.account.by_client_order_id(query["client_order_id"])
        return (200, found) if found else (404, {"code": 40410000, "message": "order not found"})

    def _order(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        found = self.account.orders.get(parts["order_id"])
        return (200, found) if found else (404, {"code": 40410000, "message": "order not found"})

    def _post(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        if body["symbol"] not in PRICES:
            return 422, {"code": 42210000, "message": f'asset "{body["symbol"]}" not found'}
        if self.account.by_client_order_id(body.get("client_order_id", "")):
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        taken = self.account.take(body)
        if body["type"] != "market":  # a stop or a target waits for its price, which does not move here
            return 200, self.account.rest(taken["id"])
        task = self._loop.create_task(self._fill_soon(taken["id"]))
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)
        return 200, taken

    def _cancel(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        found = self.account.orders.get(parts["order_id"])
        if found is None:
            return 404, {"code": 40410000, "message": "order not found"}
        if found["status"] not in account.OPEN:
            return 422, {"code": 42210000, "message": f'order is already in "{found["status"]}" state'}
        found |= {"status": "canceled", "canceled_at": stamp()}
        return 204, None

    def _activities(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        after = datetime.fromisoformat(query.get("after", "2000-01-01T00:00:00Z"))
        found = [f for f in self.account.fills if datetime.fromisoformat(f["transaction_time"]) > after]
        ids = [f["id"] for f in found]
        begin = ids.index(query["page_token"]) + 1 if query.get("page_token") in ids else 0
        return 200, found[begin : begin + int(query.get("page_size", 100))]

    def _other_activities(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, []

    def _stocks(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, _snapshots(query)

    def _coins(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, {"snapshots": _snapshots(query)}

    def _stock_bars(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, {"bars": _bars(query), "next_page_token": None}

    _coin_bars = _stock_bars

    def _news(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, {"news": [], "next_page_token": None}

    def _finnhub_quote(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        price = float(PRICES.get(query["symbol"], 0))
        figures = dict.fromkeys(("c", "h", "l", "o", "pc"), price)
        return 200, {**figures, "d": 0, "dp": 0, "t": int(time.time()) if price else 0}

    def _finnhub_company_news(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        return 200, []

    _finnhub_news = _finnhub_company_news

    def _coingecko(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        wanted = [coin for coin in query.get("ids", "").split(",") if coin in IDS]
        moment = (
            {"last_updated_at": int(time.time())} if query.get("include_last_updated_at") == "true" else {}
        )
        return 200, {coin: {"usd": float(PRICES[IDS[coin]]), **moment} for coin in wanted}

    def _model(self, parts: Any, query: Any, body: Any) -> tuple[int, Any]:
        message = {"role": "assistant", "content": self.decide(body), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": int(time.time())}
        return 200, {**whole, "model": body["model"], "choices": [choice], "usage": usage}

    async def _fill_soon(self, order_id: str) -> None:
        await asyncio.sleep(FILL_SECONDS)
        update = self.account.fill(order_id)
        for stream in list(self._streams):
            if update is not None and not stream.closed:
                await stream.send_bytes(json.dumps({"stream": "trade_updates", "data": update}).encode())

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Serve the account's stream: authenticate, listen to ``trade_updates``, binary frames."""
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        is_known = False
        async for message in stream:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            said = json.loads(message.data)
            if said.get("action") == "authenticate":
                keys = said.get("data", {})
                is_known = (keys.get("key_id"), keys.get("secret_key")) == (API_KEY, SECRET_KEY)
                word = "authorized" if is_known else "unauthorized"
                await _say(stream, "authorization", {"status": word, "action": "authenticate"})
            elif (
                said.get("action") == "listen" and is_known and said["data"] == {"streams": ["trade_updates"]}
            ):
                self._streams.append(stream)
                await _say(stream, "listening", said["data"])
            else:
                self.broken.append(f"stream: {said}")
        return stream


async def _say(stream: web.WebSocketResponse, name: str, said: Any) -> None:
    await stream.send_bytes(json.dumps({"stream": name, "data": said}).encode())


def _keys_refused(request: web.Request, query: Mapping[str, str]) -> str:
    """Return why the keys of a request are not those of its address; empty: they are, or none is needed."""
    family, headers = rules.family_of(request.path), request.headers
    if family == "alpaca":
        given = (headers.get("APCA-API-KEY-ID"), headers.get("APCA-API-SECRET-KEY"))
        return "" if given == (API_KEY, SECRET_KEY) else "unauthorized."
    if family == "finnhub":
        given_key = query.get("token") or headers.get("X-Finnhub-Token")
        return "" if given_key == FINNHUB_KEY else "Invalid API key"
    if family == "chat":
        return "" if headers.get("Authorization") == f"Bearer {CHAT_KEY}" else "Incorrect API key provided"
    return _coingecko_refused(request, query)


def _coingecko_refused(request: web.Request, query: Mapping[str, str]) -> str:
    is_pro = request.path.startswith("/pro-")
    pro = query.get("x_cg_pro_api_key") or request.headers.get("x-cg-pro-api-key")
    demo = query.get("x_cg_demo_api_key") or request.headers.get("x-cg-demo-api-key")
    if is_pro:
        return (
            ""
            if pro == COINGECKO_KEY and not demo
            else "10011: change your root URL, or 10002: API Key Missing"
        )
    return (
        "10010: change your root URL"
        if pro
        else ""
        if demo in (None, COINGECKO_KEY)
        else "10002: API Key Missing"
    )


def _snapshots(query: Mapping[str, str]) -> dict[str, Any]:
    now = stamp()
    found = {}
    for symbol in query["symbols"].split(","):
        if symbol in PRICES:
            price = float(PRICES[symbol])
            bar = {"t": now, "o": price, "h": price, "l": price, "c": price, "v": 1000, "n": 10, "vw": price}
            found[symbol] = {
                "latestTrade": {"t": now, "p": price, "s": 1},
                "latestQuote": {"t": now, "bp": price, "bs": 1, "ap": price, "as": 1},
                "minuteBar": bar,
                "dailyBar": bar,
                "prevDailyBar": bar | {"t": stamp(datetime.now(UTC) - timedelta(days=1))},
            }
    return found


def _bars(query: Mapping[str, str]) -> dict[str, Any]:
    """Return daily bars that end yesterday."""
    today = datetime.now(UTC).replace(hour=5, minute=0, second=0, microsecond=0)
    begin = datetime.fromisoformat(query["start"]) if "start" in query else today
    end = datetime.fromisoformat(query["end"]) if "end" in query else today
    found: dict[str, Any] = {}
    for symbol in query["symbols"].split(","):
        if symbol not in PRICES:
            continue
        for age in range(DAYS_OF_BARS, 0, -1):
            moment = today - timedelta(days=age)
            if begin <= moment <= end:
                price = round(float(PRICES[symbol]) * (1 + 0.001 * (age % 7)), 4)
                bar = {"t": stamp(moment), "o": price, "h": price, "l": price, "c": price}
                found.setdefault(symbol, []).append(bar | {"v": 1_000_000, "n": 1000, "vw": price})
    return found
