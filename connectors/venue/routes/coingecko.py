"""CoinGecko's API under ``/coingecko/api/v3``: ping, simple/price, coins/markets."""

from aiohttp import web

from connectors.venue.context import Venue, venue_of
from connectors.venue.replay.market import Tick
from connectors.venue.routes.parameters import read_int
from connectors.venue.wire import price_float, stamp
from connectors.venue.world.coins import coin_name, coingecko_id
from connectors.venue.world.model import Instrument

routes = web.RouteTableDef()

_ROOT = "/coingecko/api/v3"


@routes.get(f"{_ROOT}/ping")
async def get_ping(request: web.Request) -> web.Response:
    """Say that the API serves."""
    return web.json_response({"gecko_says": "(V3) To the Moon!"})


@routes.get(f"{_ROOT}/simple/price")
async def get_simple_price(request: web.Request) -> web.Response:
    """Prices in USD by CoinGecko id; what is unknown is missing."""
    if "usd" not in _names(request, "vs_currencies"):
        return _error(422, "Missing parameter vs_currencies: this venue quotes usd")
    venue = venue_of(request)
    prices: dict[str, dict[str, float]] = {}
    for instrument in _coins(venue, _names(request, "ids")):
        tick = venue.observed(request, instrument)
        if tick is None:
            continue
        figures = {"usd": _price(tick)}
        if _is_on(request, "include_24hr_vol"):
            figures["usd_24h_vol"] = _volume(venue, instrument)
        if _is_on(request, "include_24hr_change"):
            figures["usd_24h_change"] = _change(venue, instrument, tick)[1]
        if _is_on(request, "include_last_updated_at"):
            figures["last_updated_at"] = int(tick.traded_at)
        prices[coingecko_id(instrument.symbol)] = figures
    return web.json_response(prices)


@routes.get(f"{_ROOT}/coins/markets")
async def get_coins_markets(request: web.Request) -> web.Response:
    """Coins with price, volume and range, by volume."""
    if request.query.get("vs_currency") != "usd":
        return _error(422, "Missing parameter vs_currency: this venue quotes usd")
    venue = venue_of(request)
    rows = []
    for instrument in _coins(venue, _names(request, "ids")):
        tick = venue.observed(request, instrument)
        if tick is not None:
            rows.append(_market_row(venue, instrument, tick))
    rows.sort(key=lambda row: -float(str(row["total_volume"])))
    size = read_int(request, "per_page", default=100, low=1, high=250)
    page = read_int(request, "page", default=1, low=1, high=10_000)
    return web.json_response(rows[(page - 1) * size : page * size])


def _market_row(venue: Venue, instrument: Instrument, tick: Tick) -> dict[str, object]:
    change, percent = _change(venue, instrument, tick)
    bar = venue.market.day_bar(instrument, tick.traded_at)
    return {
        "id": coingecko_id(instrument.symbol),
        "symbol": instrument.symbol.partition("/")[0].lower(),
        "name": coin_name(instrument.symbol),
        "current_price": _price(tick),
        "market_cap": None,
        "total_volume": _volume(venue, instrument),
        "high_24h": None if bar is None else bar.high,
        "low_24h": None if bar is None else bar.low,
        "price_change_24h": change,
        "price_change_percentage_24h": percent,
        "last_updated": stamp(tick.traded_at),
    }


def _coins(venue: Venue, ids: list[str]) -> list[Instrument]:
    coins = [
        one for one in venue.world.instruments.values() if one.is_crypto and venue.market.is_trading(one)
    ]
    return [one for one in coins if not ids or coingecko_id(one.symbol) in ids]


def _names(request: web.Request, name: str) -> list[str]:
    return [text.strip().lower() for text in request.query.get(name, "").split(",") if text.strip()]


def _is_on(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


def _price(tick: Tick) -> float:
    return price_float(tick.price, is_crypto=True)


def _change(venue: Venue, instrument: Instrument, tick: Tick) -> tuple[float, float]:
    """Return the change over 24 hours in USD and in percent."""
    before = venue.market.tick(instrument, tick.traded_at - 86_400)
    if before is None:
        return 0.0, 0.0
    change = tick.price - before.price
    return round(change, 8), round(change / before.price * 100, 6)


def _volume(venue: Venue, instrument: Instrument) -> float:
    """Return the USD volume of the last whole day."""
    bar = venue.market.previous_bar(instrument, venue.clock.now())
    return 0.0 if bar is None else round(bar.volume * bar.close, 2)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"status": {"error_code": status, "error_message": message}}, status=status)
