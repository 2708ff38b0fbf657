"""Alpaca's market data API: snapshots and bars of stocks and coins."""

from aiohttp import web

from connectors.venue.context import Venue, venue_of
from connectors.venue.errors import ApiError
from connectors.venue.replay.actions import ADJUSTMENTS
from connectors.venue.replay.bars import BarRow
from connectors.venue.replay.market import Tick
from connectors.venue.replay.timeframe import read_timeframe
from connectors.venue.replay.timeline import DAY_SECONDS
from connectors.venue.routes.parameters import read_choice, read_int, read_moment
from connectors.venue.wire import decode_token, encode_token, price_float, stamp
from connectors.venue.world.model import Instrument

routes = web.RouteTableDef()


@routes.get("/v2/stocks/snapshots")
async def get_stock_snapshots(request: web.Request) -> web.Response:
    """Snapshots at the top level, by symbol; what is unknown is missing."""
    return web.json_response(_snapshots(request, is_crypto=False))


@routes.get("/v1beta3/crypto/us/snapshots")
async def get_crypto_snapshots(request: web.Request) -> web.Response:
    """Snapshots under ``snapshots``."""
    return web.json_response({"snapshots": _snapshots(request, is_crypto=True)})


@routes.get("/v2/stocks/bars")
async def get_stock_bars(request: web.Request) -> web.Response:
    """Bars of stocks."""
    return web.json_response(_bars(request, is_crypto=False))


@routes.get("/v1beta3/crypto/us/bars")
async def get_crypto_bars(request: web.Request) -> web.Response:
    """Bars of coins."""
    return web.json_response(_bars(request, is_crypto=True))


def _asked(request: web.Request, *, is_crypto: bool) -> list[Instrument]:
    """Return the known instruments of the parameter ``symbols``, in order, once each."""
    names = [name for name in request.query.get("symbols", "").upper().split(",") if name]
    if not names:
        raise ApiError(400, 40010000, "symbols is required")
    world = venue_of(request).world
    found = (world.instruments.get(name) for name in dict.fromkeys(names))
    return [one for one in found if one is not None and one.is_crypto == is_crypto]


def _snapshots(request: web.Request, *, is_crypto: bool) -> dict[str, object]:
    venue = venue_of(request)
    found: dict[str, object] = {}
    for instrument in _asked(request, is_crypto=is_crypto):
        tick = venue.observed(request, instrument)
        if tick is not None:
            found[instrument.symbol] = _snapshot(venue, instrument, tick)
    return found


def _snapshot(venue: Venue, instrument: Instrument, tick: Tick) -> dict[str, object]:
    # Bars are shown as of the trade: outside hours, and where a fault ages the price, they are of its day.
    at = tick.traded_at
    today = venue.market.day_bar(instrument, at)
    before = venue.market.previous_bar(instrument, at)
    minute = venue.market.last_minute(instrument, at)
    price = _price(tick.price, instrument)
    traded_at = stamp(tick.traded_at)
    spread = tick.price * tick.half_spread
    trade: dict[str, object] = {"t": traded_at, "p": price, "s": 1, "i": int(tick.traded_at * 1000)}
    quote: dict[str, object] = {
        "t": traded_at,
        "ap": _price(tick.price + spread, instrument),
        "as": 1,
        "bp": _price(max(tick.price - spread, 0.0), instrument),
        "bs": 1,
    }
    if instrument.is_crypto:
        trade["tks"] = "B"
    else:
        trade |= {"c": ["@"], "x": "V", "z": "C"}
        quote |= {"ax": "V", "bx": "V", "c": ["R"], "z": "C"}
    bars = {"dailyBar": today or before, "prevDailyBar": before, "minuteBar": minute}
    written = {name: bar_json(row, instrument) for name, row in bars.items() if row is not None}
    return {"latestTrade": trade, "latestQuote": quote, **written}


def bar_json(row: BarRow, instrument: Instrument) -> dict[str, object]:
    """Write a bar; ``vw`` is the mean of its prices, ``n`` a count that follows the volume."""
    mean = (row.open + row.high + row.low + row.close) / 4
    return {
        "t": stamp(row.at),
        "o": _price(row.open, instrument),
        "h": _price(row.high, instrument),
        "l": _price(row.low, instrument),
        "c": _price(row.close, instrument),
        "v": round(row.volume, 9) if instrument.is_crypto else round(row.volume),
        "n": int(row.volume * row.close / 5_000) + (row.volume > 0),
        "vw": _price(mean, instrument),
    }


def _price(price: float, instrument: Instrument) -> float:
    return price_float(price, is_crypto=instrument.is_crypto)


def _bars(request: web.Request, *, is_crypto: bool) -> dict[str, object]:
    """Collect a page of bars: symbols in alphabetical order, ``limit`` over all of them."""
    venue = venue_of(request)
    now = venue.clock.now()
    frame = read_timeframe(request.query.get("timeframe", ""))
    given = read_moment(request, "start")
    start = now // DAY_SECONDS * DAY_SECONDS if given is None else given
    asked_end = read_moment(request, "end")
    end = now if asked_end is None else min(asked_end, now)
    limit = read_int(request, "limit", default=1_000, low=1, high=10_000)
    is_newest_first = read_choice(request, "sort", ("asc", "desc"), "asc") == "desc"
    adjustment = read_choice(request, "adjustment", tuple(ADJUSTMENTS), "raw")
    from_symbol, from_time = _page_start(request)
    pages: dict[str, list[dict[str, object]]] = {}
    left, last = limit, ("", 0)
    for instrument in sorted(_asked(request, is_crypto=is_crypto), key=lambda one: one.symbol):
        if instrument.symbol < from_symbol:
            continue
        resume = instrument.symbol == from_symbol
        low, high = start, end
        if resume and is_newest_first:
            high = from_time - 1
        elif resume:
            low = from_time + 1
        for row in frame.rows(venue.market, instrument, low, high, is_newest_first=is_newest_first):
            if left == 0:
                return {"bars": pages, "next_page_token": encode_token(*last)}
            told = venue.market.told(instrument, row, now, adjustment)
            pages.setdefault(instrument.symbol, []).append(bar_json(told, instrument))
            left, last = left - 1, (instrument.symbol, row.at)
    return {"bars": pages, "next_page_token": None}


def _page_start(request: web.Request) -> tuple[str, int]:
    """Return the symbol and time of the last bar already sent."""
    token = request.query.get("page_token")
    if not token:
        return "", 0
    try:
        symbol, at = decode_token(token)
        return symbol, int(at)
    except ValueError as error:
        raise ApiError(400, 40010000, "invalid page_token") from error
