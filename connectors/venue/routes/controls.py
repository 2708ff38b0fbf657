"""The venue's own controls under ``/venue``: health, state, reset, faults, clock, the log of requests."""

import os
from collections import Counter
from decimal import Decimal
from itertools import islice
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.venue.context import Venue, venue_of
from connectors.venue.faults import FaultSpec
from connectors.venue.replay.timeline import FAR_FUTURE
from connectors.venue.wire import number, parse_time, stamp
from connectors.venue.world.model import day_date

routes = web.RouteTableDef()


class ClockCommand(BaseModel):
    """The body of ``POST /venue/clock``.

    A running clock that is moved into closed hours goes on to the next opening at once; pause it to stay.

    Args:
        paused: stop market time, or let it run.
        speed: market seconds per real second.
        to: jump forward to an RFC 3339 time, or to ``open``, ``close`` (the next) or ``end`` (of the data).
        advance: seconds of running time to skip; closed hours do not count.
        step: seconds by which the clock is set, back where negative; what has happened stays, and orders are
            stamped later than all before.
    """

    model_config = ConfigDict(extra="forbid")

    paused: bool | None = None
    speed: float | None = Field(default=None, gt=0)
    to: str | None = None
    advance: float | None = Field(default=None, ge=0)
    step: float | None = None


class ResetCommand(BaseModel):
    """The body of ``POST /venue/reset``; none is as an empty one.

    Args:
        rewind: set market time back to the replay's start, too, and forget the splits and dividends announced.
    """

    model_config = ConfigDict(extra="forbid")

    rewind: bool = False


class ActionCommand(BaseModel):
    """The body of ``POST /venue/corporate_actions``: what happens at the next session's open.

    Args:
        symbol: a stock.
        kind: ``split`` or ``dividend``.
        value: new shares for an old one, or USD a share.
    """

    model_config = ConfigDict(extra="forbid")

    symbol: str
    kind: Literal["split", "dividend"]
    value: Decimal = Field(gt=0, lt=1_000, allow_inf_nan=False)


@routes.get("/venue/health")
async def get_health(request: web.Request) -> web.Response:
    """Say that the venue serves, and what."""
    venue = venue_of(request)
    body = {"status": "ok", "pid": os.getpid(), **_world(venue), **_clock(venue)}
    return web.json_response(body)


@routes.get("/venue/state")
async def get_state(request: web.Request) -> web.Response:
    """Everything at a glance."""
    venue = venue_of(request)
    exchange = venue.exchange
    venue.tick()
    statuses = Counter(order.status for order in exchange.book.orders.values())
    body = {
        **_world(venue),
        **_clock(venue),
        "instruments": dict(Counter(one.asset_class for one in venue.world.instruments.values())),
        "orders": len(exchange.book.orders),
        "orders_by_status": dict(statuses),
        "fills": venue.store.fill_count(),
        "positions": {symbol: number(h.quantity) for symbol, h in exchange.ledger.holdings.items()},
        "cash": number(exchange.ledger.cash),
        "stream_listeners": venue.stream.listeners,
        "requests": len(venue.requests),
        "faults": len(venue.faults.rules),
    }
    return web.json_response(body)


def _world(venue: Venue) -> dict[str, object]:
    return {"data": venue.world.kind, "world": venue.world.name, "refused_rows": venue.world.refused}


def _clock(venue: Venue) -> dict[str, object]:
    now = venue.clock.now()
    return {
        "market_time": stamp(now),
        "is_open": venue.market.timeline.is_open(now),
        "paused": venue.clock.is_paused,
        "speed": venue.clock.speed,
        "data_end": stamp(venue.market.timeline.end),
        "data_ended": venue.clock.has_ended,
    }


@routes.get("/venue/faults")
async def get_faults(request: web.Request) -> web.Response:
    """All rules with their hits."""
    return web.json_response([rule.describe() for rule in venue_of(request).faults.rules])


@routes.post("/venue/faults")
async def post_fault(request: web.Request) -> web.Response:
    """Add a rule; ``disconnect_stream`` breaks the present listeners at once."""
    venue = venue_of(request)
    try:
        spec = FaultSpec.model_validate_json(await request.read())
    except ValidationError as error:
        return _invalid(error)
    rule = venue.faults.add(spec)
    if spec.kind == "disconnect_stream" and venue.stream.disconnect_all():
        rule.hits += 1
    return web.json_response({"id": rule.fault_id}, status=201)


@routes.delete("/venue/faults")
async def delete_faults(request: web.Request) -> web.Response:
    """Remove all rules."""
    venue_of(request).faults.remove(None)
    return web.Response(status=204)


@routes.delete("/venue/faults/{fault_id}")
async def delete_fault(request: web.Request) -> web.Response:
    """Remove one rule."""
    removed = venue_of(request).faults.remove(request.match_info["fault_id"])
    return web.Response(status=204 if removed else 404)


@routes.get("/venue/requests")
async def get_requests(request: web.Request) -> web.Response:
    """The last requests of the outside, oldest first; by ``method``, ``path`` and ``client_order_id``.

    ``after``: how many of the oldest to leave out.
    """
    after = request.query.get("after", "0")
    if not after.isdecimal():
        return web.json_response({"error": f"after: expected a count, was {after!r}"}, status=400)
    wanted = {
        name: request.query[name] for name in ("method", "path", "client_order_id") if name in request.query
    }
    found = [
        entry
        for entry in islice(venue_of(request).requests, int(after), None)
        if all(entry[name] == value for name, value in wanted.items())
    ]
    return web.json_response(found)


@routes.post("/venue/clock")
async def post_clock(request: web.Request) -> web.Response:
    """Pause, resume, speed up or move the clock, forward only; or step it."""
    venue = venue_of(request)
    try:
        command = ClockCommand.model_validate_json(await request.read())
        _move(venue, command)
    except ValidationError as error:
        return _invalid(error)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    venue.tick()
    venue.exchange.save_clock()
    return web.json_response(_clock(venue))


@routes.post("/venue/reset")
async def post_reset(request: web.Request) -> web.Response:
    """Begin a new account, as a paper account is reset: its cash alone, no order, position, activity or request."""
    try:
        command = ResetCommand.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        return _invalid(error)
    venue_of(request).reset(rewinds=command.rewind)
    return web.Response(status=204)


@routes.post("/venue/corporate_actions")
async def post_corporate_action(request: web.Request) -> web.Response:
    """Let a stock split, or go without a dividend that is paid, at the next session's open."""
    venue = venue_of(request)
    try:
        command = ActionCommand.model_validate_json(await request.read())
    except ValidationError as error:
        return _invalid(error)
    instrument = venue.world.instruments.get(command.symbol.upper())
    if instrument is None or instrument.is_crypto:
        said = f"symbol: expected a stock of this market, was {command.symbol!r}"
        return web.json_response({"error": said}, status=400)
    action = venue.exchange.announce(instrument.symbol, command.kind, command.value)
    body = {"symbol": action.symbol, "kind": action.kind, "value": number(action.value)}
    return web.json_response({**body, "ex_date": day_date(action.ex_day).isoformat()}, status=201)


def _move(venue: Venue, command: ClockCommand) -> None:
    clock, timeline = venue.clock, venue.market.timeline
    if command.speed is not None:
        clock.set_speed(command.speed)
    if command.paused:
        clock.pause()
    if command.to is not None:
        now = clock.now()
        named = {"open": timeline.next_open(now), "close": timeline.next_close(now), "end": timeline.end}
        moment = named.get(command.to)
        moment = parse_time(command.to) if moment is None else moment
        clock.jump(timeline.end if moment >= FAR_FUTURE else moment)
    if command.advance is not None:
        clock.skip(command.advance)
    if command.step is not None:
        clock.step(command.step)
    if command.paused is False:
        clock.resume()


def _invalid(error: ValidationError) -> web.Response:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "body"
    return web.json_response({"error": f"{where}: {first['msg']}"}, status=400)
