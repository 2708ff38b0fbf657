"""Finnhub's API under ``/finnhub/api/v1``: quotes, company news, market status."""

from aiohttp import web

from connectors.venue.context import Venue, venue_of
from connectors.venue.replay.timeline import DAY_SECONDS
from connectors.venue.routes.parameters import read_day
from connectors.venue.wire import price_float
from connectors.venue.world.headlines import SOURCE, Headline, headlines
from connectors.venue.world.model import Instrument

routes = web.RouteTableDef()

_ROOT = "/finnhub/api/v1"
_GENERAL_HEADLINES = 100
# what Finnhub answers, with status 200, for a symbol it does not know
_NOTHING = {"c": 0, "d": None, "dp": None, "h": 0, "l": 0, "o": 0, "pc": 0, "t": 0}


def _has_no_key(request: web.Request) -> bool:
    return not (request.query.get("token") or request.headers.get("X-Finnhub-Token"))


def _no_key() -> web.Response:
    return web.json_response({"error": "Please use an API key."}, status=401)


def _stock(venue: Venue, request: web.Request) -> Instrument | None:
    instrument = venue.world.instruments.get(request.query.get("symbol", "").upper())
    return None if instrument is None or instrument.is_crypto else instrument


@routes.get(f"{_ROOT}/quote")
@routes.get(f"{_ROOT}//quote")
async def get_quote(request: web.Request) -> web.Response:
    """The last price of a stock; an unknown symbol is 200 with zeros."""
    if _has_no_key(request):
        return _no_key()
    venue = venue_of(request)
    instrument = _stock(venue, request)
    tick = None if instrument is None else venue.observed(request, instrument)
    if instrument is None or tick is None:
        return web.json_response(_NOTHING)
    at = tick.traded_at
    bar = venue.market.day_bar(instrument, at)
    earlier = venue.market.previous_bar(instrument, at)
    if earlier is not None:
        earlier = venue.market.told(instrument, earlier, at, "split")
    price = price_float(tick.price, is_crypto=False)
    before = None if earlier is None else earlier.close
    change = None if not before else price - before
    body = {
        "c": price,
        "d": None if change is None else round(change, 4),
        "dp": None if change is None or not before else round(change / before * 100, 4),
        "h": 0 if bar is None else round(bar.high, 4),
        "l": 0 if bar is None else round(bar.low, 4),
        "o": 0 if bar is None else round(bar.open, 4),
        "pc": round(before or 0.0, 4),
        "t": int(tick.traded_at),
    }
    return web.json_response(body)


@routes.get(f"{_ROOT}/company-news")
@routes.get(f"{_ROOT}//company-news")
async def get_company_news(request: web.Request) -> web.Response:
    """Headlines of one company between two dates, both inclusive, up to market time."""
    if _has_no_key(request):
        return _no_key()
    venue = venue_of(request)
    instrument = _stock(venue, request)
    if instrument is None:
        return web.json_response([])
    now = venue.clock.now()
    first = read_day(request, "from", int(now // DAY_SECONDS) - 7)
    last = read_day(request, "to", int(now // DAY_SECONDS))
    end = min(float((last + 1) * DAY_SECONDS - 1), now)
    found = headlines(venue.world, [instrument], float(first * DAY_SECONDS), end)
    return web.json_response([_write(one, "company") for one in found])


@routes.get(f"{_ROOT}/news")
@routes.get(f"{_ROOT}//news")
async def get_general_news(request: web.Request) -> web.Response:
    """The newest headlines of the last day about any company."""
    if _has_no_key(request):
        return _no_key()
    venue = venue_of(request)
    now = venue.clock.now()
    stocks = [one for one in venue.world.instruments.values() if not one.is_crypto]
    found = headlines(venue.world, stocks, now - DAY_SECONDS, now)[:_GENERAL_HEADLINES]
    return web.json_response([_write(one, "general") for one in found])


def _write(headline: Headline, category: str) -> dict[str, object]:
    return {
        "category": category,
        "datetime": headline.published_at,
        "headline": headline.title,
        "id": headline.headline_id,
        "image": "",
        "related": headline.symbol,
        "source": SOURCE,
        "summary": headline.summary,
        "url": headline.url,
    }


@routes.get(f"{_ROOT}/stock/market-status")
@routes.get(f"{_ROOT}//stock/market-status")
async def get_market_status(request: web.Request) -> web.Response:
    """Whether the US stock market is open."""
    if _has_no_key(request):
        return _no_key()
    venue = venue_of(request)
    now = venue.clock.now()
    is_open = venue.market.timeline.is_open(now)
    body = {
        "exchange": request.query.get("exchange", "US"),
        "holiday": None,
        "isOpen": is_open,
        "session": "regular" if is_open else None,
        "t": int(now),
        "timezone": "America/New_York",
    }
    return web.json_response(body)
