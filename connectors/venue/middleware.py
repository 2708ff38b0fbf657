"""What happens around every request: log, faults, keys, rate limit, refusals."""

import asyncio
import json
import socket
import sqlite3
import struct
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from connectors.venue.context import VENUE, Venue
from connectors.venue.errors import ApiError
from connectors.venue.faults import TRANSPORT_KINDS, FaultSpec, altered
from connectors.venue.wire import stamp

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SECRET_PARAMETERS = ("token", "x_cg_demo_api_key", "x_cg_pro_api_key")
_ONLY_READ = ("GET", "HEAD", "OPTIONS")
_OPEN_TO_ALL = ("/v1beta3/crypto/",)


@web.middleware
async def wake_exchange(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the exchange look at once at what a request, answered or not, has left it to do."""
    try:
        return await handler(request)
    finally:
        if request.method not in _ONLY_READ:
            request.app[VENUE].woken.set()


@web.middleware
async def keep_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note every request of the outside, with what became of it."""
    if request.path.startswith("/venue/"):
        return await handler(request)
    venue = request.app[VENUE]
    entry: dict[str, object] = {
        "method": request.method,
        "path": request.path,
        "query": {k: v for k, v in request.query.items() if k not in _SECRET_PARAMETERS},
        "at": stamp(time.time()),
        "monotonic": time.monotonic(),  # of this machine: comparable with its other processes, whatever steps
        "market_time": stamp(venue.clock.now()),
        "client_order_id": await _client_order_id(request),
        "order": await _told_of_order(request),
        "whole": time.monotonic(),  # when its last byte was read
        "status": None,
        "fault": None,
    }
    request["entry"] = entry
    venue.requests.append(entry)
    status = 500
    try:
        response = await handler(request)
        status = response.status
    except web.HTTPException as error:
        status = error.status
        return web.json_response({"message": "endpoint not found."}, status=status)
    finally:
        if entry["status"] is None:
            entry["status"] = status
    return response


async def _order_body(request: web.Request) -> Mapping[str, object]:
    """Return what a new order's body says, nothing for other requests and unreadable bodies."""
    if request.path != "/v2/orders" or request.method != "POST":
        return {}
    try:
        body = json.loads(await request.read())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def _client_order_id(request: web.Request) -> str | None:
    given = (await _order_body(request)).get("client_order_id", request.query.get("client_order_id"))
    return None if given is None else str(given)


async def _told_of_order(request: web.Request) -> dict[str, str] | None:
    """Return symbol, side and quantity of a new order as it was written, None for other requests."""
    body = await _order_body(request)
    return {name: str(body.get(name)) for name in ("symbol", "side", "qty")} if body else None


@web.middleware
async def inject_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the first transport fault that matches strike; prices and orders have theirs elsewhere."""
    if request.path.startswith("/venue/"):
        return await handler(request)
    venue = request.app[VENUE]
    symbols = await _symbols(request)
    spec = venue.faults.hit(TRANSPORT_KINDS, method=request.method, path=request.path, symbols=symbols)
    if spec is None:
        return await handler(request)
    request["entry"]["fault"] = spec.kind
    return await _strike(spec, request, handler)


async def _symbols(request: web.Request) -> list[str]:
    """Return the symbols a request names, in its body or its query."""
    ordered = (await _order_body(request)).get("symbol")
    if isinstance(ordered, str):
        return [ordered]
    return f"{request.query.get('symbols', '')},{request.query.get('symbol', '')}".split(",")


async def _strike(spec: FaultSpec, request: web.Request, handler: Handler) -> web.StreamResponse:
    if spec.kind == "latency":
        await asyncio.sleep(spec.seconds if spec.seconds is not None else 1.0)
        return await handler(request)
    if spec.kind in ("rate_limit", "error"):
        return _refusal(spec)
    if spec.kind == "hang":
        request["entry"]["status"] = "hang"
        await asyncio.sleep(spec.seconds if spec.seconds is not None else 86_400.0)
        return web.Response(status=504)
    if spec.kind == "reset_before":
        return _reset(request)
    response = await handler(request)
    if spec.kind == "reset_after":
        return _reset(request)
    if spec.kind == "alter":
        return _told_otherwise(spec, response)
    return await _mangle(spec, request, response)


def _refusal(spec: FaultSpec) -> web.Response:
    if spec.kind == "rate_limit":
        status, body = spec.status or 429, {"code": 42910000, "message": "rate limit exceeded"}
    else:
        status, body = spec.status or 500, {"code": 50010000, "message": "internal server error occurred"}
    headers = {}
    if spec.retry_after is not None:
        headers["Retry-After"] = f"{spec.retry_after:g}"
    if isinstance(spec.body, str):
        return web.Response(status=status, text=spec.body, headers=headers)
    return web.json_response(spec.body if spec.body is not None else body, status=status, headers=headers)


def _reset(request: web.Request) -> web.Response:
    """Break the connection with a TCP reset, so that the client reads no reply."""
    request["entry"]["status"] = "reset"
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=499)


def _told_otherwise(spec: FaultSpec, response: web.StreamResponse) -> web.StreamResponse:
    """Return the true reply with some of its fields changed; one that refuses stays as it is."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    if response.status >= 300 or not response.body:
        return response
    return web.json_response(altered(spec, json.loads(response.body)), status=response.status)


async def _mangle(spec: FaultSpec, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send the true reply a byte at a time, or only its first half."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    body = response.body
    sent = web.StreamResponse(status=response.status, headers=response.headers)
    sent.content_length = len(body)
    request["entry"]["status"] = spec.kind
    await sent.prepare(request)
    if spec.kind == "truncate":
        await sent.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return sent
    for offset in range(len(body)):
        await sent.write(body[offset : offset + 1])
        await asyncio.sleep(spec.seconds if spec.seconds is not None else 1.0)
    await sent.write_eof()
    return sent


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ask for keys and count requests where Alpaca does, and answer refusals in its words."""
    family = _family(request.path)
    headers: dict[str, str] = {}
    venue = request.app[VENUE]
    if family is not None:
        key = request.headers.get("APCA-API-KEY-ID", "")
        if not key and not request.path.startswith(_OPEN_TO_ALL):
            return web.json_response({"code": 40110000, "message": "request is not authorized"}, status=401)
        passes, headers = venue.limits.take(f"{family}:{key}")
        if not passes:
            body = {"code": 42910000, "message": "rate limit exceeded"}
            return web.json_response(body, status=429, headers=headers)
    response = await _answer(venue, request, handler)
    if not response.prepared:
        response.headers.update(headers)
    return response


async def _answer(venue: Venue, request: web.Request, handler: Handler) -> web.StreamResponse:
    venue.tick()
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response(error.body, status=error.status)
    except sqlite3.Error:
        venue.fail()
        raise


def _family(path: str) -> str | None:
    if path.startswith(("/v2/stocks/", "/v1beta1/", "/v1beta3/")):
        return "data"
    return "trading" if path.startswith("/v2/") else None
