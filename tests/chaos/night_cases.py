"""What meets a system in a night: accounts with odd rows, feeds with odd characters, models that ramble, a bad line."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ai.domain.prompt import read_facts
from tests.ai.chat_server import ChatServer, Handler, answering, envelope, replying
from tests.venue_process import VenueProcess

MODEL = "night"
OPTION = {
    "asset_id": "", "symbol": "AAPL201218C00125000", "exchange": "", "asset_class": "us_option", "qty": "1",
    "avg_entry_price": "3.1", "side": "long", "market_value": "310", "cost_basis": "310", "current_price": "3.1",
    "unrealized_pl": "0", "lastday_price": "3.1", "qty_available": "1",
}  # fmt: skip
SPREAD: dict[str, object] = {
    "id": "0b1f4f6e-3a55-4b0e-9f0c-6d2a0d6b8f10", "client_order_id": "placed-in-the-browser", "symbol": "", "side": "",
    "asset_class": "", "order_class": "mleg", "order_type": "limit", "type": "limit", "qty": "1", "filled_qty": "0",
    "filled_avg_price": None, "notional": None, "limit_price": "0.85", "stop_price": None, "status": "new",
    "time_in_force": "day", "created_at": "2020-10-15T13:32:00Z", "updated_at": "2020-10-15T13:32:00Z",
    "submitted_at": "2020-10-15T13:32:00Z", "filled_at": None, "expired_at": None, "canceled_at": None,
    "failed_at": None, "replaced_by": None, "replaces": None, "position_intent": "", "legs": [],
}  # fmt: skip
LISTING = {
    "id": "5d0d1f7a-0b2f-4b65-8f7a-0f3f7f0b8a11", "class": "us_equity", "exchange": "", "symbol": "ZZTST",
    "name": "Pending listing", "status": "active", "tradable": False, "fractionable": False, "marginable": False,
    "shortable": False, "easy_to_borrow": False,
}  # fmt: skip
ITEM = {
    "id": 41_234_567, "author": "wire", "created_at": "2020-10-15T13:00:00Z", "updated_at": "2020-10-15T13:00:00Z",
    "summary": "", "content": "", "url": "https://example.invalid/a", "images": [], "symbols": [],
    "source": "benzinga", "headline": "Sound headline",
}  # fmt: skip


def _news(*changes: Mapping[str, object]) -> dict[str, object]:
    items = [ITEM | {"id": number} | dict(change) for number, change in enumerate(changes)]
    return {"news": items, "next_page_token": None}


# Only as text: no JSON that Python writes has half a character.
HALF_AN_EMOJI = json.dumps(_news({"headline": "Rockets HALF"}, {})).replace("HALF", "\\ud83d")


def sound(request_body: dict[str, Any]) -> str:
    """Return an answer with some buys and sells, which change from one price to the next."""
    rows = []
    for fact in read_facts(request_body["messages"])["symbols"]:
        chance = zlib.crc32(f"{fact['symbol']} {fact.get('price')}".encode()) % 20
        action = {0: "buy", 1: "buy", 2: "sell"}.get(chance, "hold")
        rows.append(
            {"symbol": fact["symbol"], "action": action, "confidence": 0.9, "reasoning": "As it moved."}
        )
    return json.dumps({"decisions": rows})


def saying(form: str) -> Handler:
    """Return a handler whose answer is ``form`` with the sound one in the place of ``ANSWER``."""

    async def handler(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(envelope(form.replace("ANSWER", sound(body)), model=body["model"]))

    return handler


async def _knows_no_schema(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    if (body.get("response_format") or {}).get("type") == "json_schema":
        error = {"message": "This response_format type is unavailable now", "type": "invalid_request_error"}
        return web.json_response({"error": error}, status=400)
    return await saying("ANSWER")(request, body)


def _refused(status: int, message: str, code: str) -> Handler:
    return replying({"error": {"message": message, "type": None, "param": None, "code": code}}, status=status)


@dataclass(frozen=True, slots=True)
class Case:
    """What is switched on: rules of the venue, what the model does (None: it answers soundly)."""

    name: str
    faults: Callable[[VenueProcess], list[dict[str, object]]] = lambda venue: []
    model: Handler | None = None
    is_maintained: bool = False


def _rules(*rules: dict[str, object]) -> Callable[[VenueProcess], list[dict[str, object]]]:
    return lambda venue: list(rules)


def _held(venue: VenueProcess, number: int = 0) -> list[str]:
    rows = venue.get("/v2/positions")
    return [rows[number % len(rows)]["symbol"]] if rows else []


def _position_without(**fields: object) -> Callable[[VenueProcess], list[dict[str, object]]]:
    return lambda venue: [
        {"kind": "alter", "route": "GET /v2/positions", "rows": _held(venue), "body": fields}
    ]


def _split_day(venue: VenueProcess) -> list[dict[str, object]]:
    symbol = next(
        row["symbol"]
        for row in venue.get("/v2/assets?status=active&asset_class=us_equity")
        if row["tradable"]
    )
    snapshot = venue.get(f"/v2/stocks/snapshots?symbols={symbol}")[symbol]
    before = snapshot["prevDailyBar"]
    for name in ("o", "h", "l", "c", "vw"):
        before[name] = round(before[name] * 10, 2)
    return [{"kind": "alter", "route": "GET /v2/stocks/snapshots", "body": {symbol: snapshot}}]


def _on(kind: str, route: str, **more: object) -> dict[str, object]:
    return {"kind": kind, "route": route, **more}


DATA, TRADING = "GET /v2/stocks/snapshots", "GET /v2/account"
CASES: tuple[Case, ...] = (
    Case("a position without a price", _position_without(market_value=None, unrealized_pl=None, current_price=None)),
    Case("a position whose quantity is a word", _position_without(qty="many")),
    Case("an option is held", _rules(_on("alter", "GET /v2/positions", rows=[], added=[OPTION]))),
    Case("a spread is open", _rules(_on("alter", "GET /v2/orders", rows=[], added=[SPREAD]))),
    Case("a listing half made", _rules(_on("alter", "GET /v2/assets", rows=[], added=[LISTING])), is_maintained=True),
    Case("a headline with NUL", _rules(_on("alter", "GET /v1beta1/news", body=_news({"headline": "Beats\0"}, {})))),
    Case("half an emoji", _rules(_on("error", "GET /v1beta1/news", status=200, body=HALF_AN_EMOJI))),
    Case("an item without a time", _rules(_on("alter", "GET /v1beta1/news", body=_news({"created_at": None}, {})))),
    Case("an error's text with NUL", _rules(_on("error", DATA, status=503, body="upstream\0 reset"))),
    Case("the morning of a split", _split_day),
    Case("no price for some", _rules(_on("missing_symbol", "*", symbols=["AAPL", "BTC/USD"]))),
    Case("prices of zero", _rules(_on("zero_price", "*", probability=0.3))),
    Case("wrong prices", _rules(_on("wrong_price", "*", fraction=0.4, probability=0.3))),
    Case("stale prices", _rules(_on("stale_price", "*", seconds=4_000))),
    Case("slow data", _rules(_on("latency", "GET *", seconds=1.0))),
    Case("data refused", _rules(_on("rate_limit", DATA, times=3, retry_after=1))),
    Case("data cut", _rules(_on("truncate", DATA, times=2))),
    Case("data hangs", _rules(_on("hang", DATA, seconds=4, times=2))),
    Case("the account is away", _rules(_on("error", TRADING, status=503, times=4))),
    Case("orders refused for now", _rules(_on("error", "POST /v2/orders", status=503, times=4))),
    Case("orders' replies lost", _rules(_on("reset_after", "POST /v2/orders", times=3))),
    Case("orders not reached", _rules(_on("reset_before", "POST /v2/orders", times=3))),
    Case("look-ups fail", _rules(_on("error", "GET /v2/orders:by_client_order_id", status=500, times=6))),
    Case("orders rejected", _rules(_on("reject_order", "*", times=2))),
    Case("orders in parts", _rules(_on("partial_fill", "*", fraction=0.4, seconds=2))),
    Case("orders late", _rules(_on("fill_delay", "*", seconds=3))),
    Case("the stream breaks", _rules(_on("disconnect_stream", "*", times=3))),
    Case("a server that knows no schema", model=_knows_no_schema),
    Case("thinking aloud", model=saying('For each something like {"action": "hold"}.\n</think>\n\nANSWER')),
    Case("words behind it", model=saying('ANSWER\n\nNote: it follows {"type": "object"}.')),
    Case("two fenced blocks", model=saying("```json\nANSWER\n```\nor\n```json\nANSWER\n```")),
    Case("not JSON", model=answering("I would buy them all.")),
    Case("cut short", model=answering('{"decisions": [', finish_reason="length")),
    Case("filtered", model=_refused(400, "The response was filtered due to content policy.", "content_filter")),
    Case("too long", model=_refused(400, "This model's context length is 4096 tokens.", "context_length_exceeded")),
    Case("no credit", model=_refused(402, "Insufficient Balance", "invalid_request_error")),
    Case("a model that breaks", model=replying({"error": {"message": "oops"}}, status=500)),
)  # fmt: skip


def switch_on(case: Case, venue: VenueProcess, chat: ChatServer) -> None:
    """Let a case hold, and nothing else."""
    switch_off(venue, chat)
    for rule in case.faults(venue):
        venue.fault(**rule)
    if case.model is not None:
        chat.handlers[MODEL] = case.model


def switch_off(venue: VenueProcess, chat: ChatServer) -> None:
    """Let everything answer soundly."""
    venue.clear_faults()
    chat.handlers[MODEL] = saying("ANSWER")
