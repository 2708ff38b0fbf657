"""Alpaca's trading API under ``/v2``."""

import json
from datetime import date
from decimal import Decimal

from aiohttp import web

from connectors.venue.context import Venue, venue_of
from connectors.venue.errors import ApiError, bad_parameter, not_found
from connectors.venue.paper.activities import activity_bound
from connectors.venue.paper.entry import CRYPTO_MINIMUM
from connectors.venue.paper.orders import Order, asset_id, order_json
from connectors.venue.replay.timeline import DAY_SECONDS
from connectors.venue.routes.account import account_json, clock_json, position_json
from connectors.venue.routes.parameters import read_choice, read_day, read_int, read_moment
from connectors.venue.wire import micros, new_york, number
from connectors.venue.world.model import Instrument, epoch_day

routes = web.RouteTableDef()

_TRADES, _OTHERS = ("FILL",), ("CFEE", "DIV", "SPLIT", "CSD", "CSW", "INT", "FEE")
_CATEGORIES = {"trade_activity": _TRADES, "non_trade_activity": _OTHERS, "": (*_TRADES, *_OTHERS)}


@routes.get("/v2/account")
async def get_account(request: web.Request) -> web.Response:
    """The account, its equity marked to current prices."""
    return web.json_response(account_json(venue_of(request)))


@routes.get("/v2/clock")
async def get_clock(request: web.Request) -> web.Response:
    """Market time and the stock session."""
    return web.json_response(clock_json(venue_of(request)))


@routes.get("/v2/calendar")
async def get_calendar(request: web.Request) -> web.Response:
    """The sessions of a range of dates, both inclusive."""
    venue = venue_of(request)
    first = read_day(request, "start", int(venue.world.session_days[0]))
    last = read_day(request, "end", int(venue.world.session_days[-1]))
    sessions = [
        {
            "date": f"{new_york(opening):%Y-%m-%d}",
            "open": f"{new_york(opening):%H:%M}",
            "close": f"{new_york(close):%H:%M}",
            "session_open": "0400",
            "session_close": "2000",
            "settlement_date": f"{new_york(opening):%Y-%m-%d}",
        }
        for opening, close in venue.market.timeline.sessions_between(first, last)
    ]
    return web.json_response(sessions)


def _asset(venue: Venue, instrument: Instrument) -> dict[str, object]:
    is_crypto = instrument.is_crypto
    body: dict[str, object] = {
        "id": asset_id(instrument),
        "class": instrument.asset_class,
        "exchange": instrument.exchange,
        "symbol": instrument.symbol,
        "name": instrument.name,
        "status": "active" if venue.market.is_trading(instrument) else "inactive",
        "tradable": venue.market.is_trading(instrument),
        "marginable": False,
        "maintenance_margin_requirement": 100,
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": instrument.fractionable,
        "attributes": [],
    }
    if is_crypto:
        price = venue.market.price(instrument)
        minimum = CRYPTO_MINIMUM / price if price else CRYPTO_MINIMUM
        body["min_order_size"] = number(max(minimum.quantize(Decimal("0.000000001")), Decimal("1e-9")))
        body["min_trade_increment"] = "0.000000001"
        body["price_increment"] = "0.000000001"
    return body


@routes.get("/v2/assets")
async def get_assets(request: web.Request) -> web.Response:
    """All instruments, by ``status`` and ``asset_class``."""
    venue = venue_of(request)
    status = request.query.get("status")
    asset_class = request.query.get("asset_class")
    exchange = request.query.get("exchange")
    bodies = [
        _asset(venue, instrument)
        for instrument in venue.world.instruments.values()
        if (asset_class or instrument.asset_class) == instrument.asset_class
        and (exchange or instrument.exchange) == instrument.exchange
    ]
    return web.json_response([body for body in bodies if status in (None, "", "all", body["status"])])


@routes.get("/v2/assets/{symbol:.+}")
async def get_asset(request: web.Request) -> web.Response:
    """One instrument by symbol (``BTC/USD``, ``BTCUSD``) or asset id."""
    venue = venue_of(request)
    wanted = request.match_info["symbol"]
    instrument = venue.world.by_position_symbol(wanted)
    if instrument is None:
        every = venue.world.instruments.values()
        instrument = next((one for one in every if asset_id(one) == wanted), None)
    if instrument is None:
        raise not_found(f"asset not found for {wanted}")
    return web.json_response(_asset(venue, instrument))


@routes.get("/v2/positions")
async def get_positions(request: web.Request) -> web.Response:
    """All open positions; coins under ``BTCUSD``."""
    venue = venue_of(request)
    return web.json_response([position_json(venue, symbol) for symbol in venue.exchange.ledger.holdings])


@routes.get("/v2/positions/{symbol:.+}")
async def get_position(request: web.Request) -> web.Response:
    """One open position by symbol."""
    venue = venue_of(request)
    instrument = venue.world.by_position_symbol(request.match_info["symbol"])
    if instrument is None or not venue.exchange.ledger.quantity(instrument.symbol):
        raise not_found("position does not exist")
    return web.json_response(position_json(venue, instrument.symbol))


@routes.post("/v2/orders")
async def post_order(request: web.Request) -> web.Response:
    """Take an order."""
    venue = venue_of(request)
    order = venue.exchange.submit(await _body(request))
    return web.json_response(_write(venue, order, is_nested=True))


@routes.get("/v2/orders")
async def get_orders(request: web.Request) -> web.Response:
    """Orders by status, submission time (exclusive bounds), symbols and side; newest first by default."""
    venue = venue_of(request)
    return web.json_response(
        [_write(venue, order, is_nested=_is_nested(request)) for order in _found(request)]
    )


@routes.get("/v2/orders:by_client_order_id")
async def get_order_by_client_order_id(request: web.Request) -> web.Response:
    """The order with this ``client_order_id``."""
    venue = venue_of(request)
    wanted = request.query.get("client_order_id", "")
    order = venue.exchange.book.by_client_order_id(wanted)
    if order is None:
        raise not_found(f"order not found for {wanted}")
    return web.json_response(_write(venue, order, is_nested=_is_nested(request)))


@routes.get("/v2/orders/{order_id}")
async def get_order(request: web.Request) -> web.Response:
    """One order by its id."""
    venue = venue_of(request)
    order_id = request.match_info["order_id"]
    order = venue.exchange.book.orders.get(order_id)
    if order is None:
        raise not_found(f"order not found for {order_id}")
    return web.json_response(_write(venue, order, is_nested=_is_nested(request)))


@routes.patch("/v2/orders/{order_id}")
async def patch_order(request: web.Request) -> web.Response:
    """Replace an open order; the reply is the order that is to take its place."""
    venue = venue_of(request)
    order = venue.exchange.replace(request.match_info["order_id"], await _body(request))
    return web.json_response(_write(venue, order, is_nested=True))


@routes.delete("/v2/orders")
async def delete_orders(request: web.Request) -> web.Response:
    """Cancel every open order; one line of the reply for each."""
    venue = venue_of(request)
    canceled = []
    for order in venue.exchange.book.open_orders():
        if order.is_open:  # else it was canceled with another of its group
            venue.exchange.cancel(order.order_id)
        canceled.append({"id": order.order_id, "status": 200, "body": _write(venue, order)})
    return web.json_response(canceled, status=207)


@routes.delete("/v2/orders/{order_id}")
async def delete_order(request: web.Request) -> web.Response:
    """Cancel one open order, and with it what else is open of its group."""
    venue_of(request).exchange.cancel(request.match_info["order_id"])
    return web.Response(status=204)


def _found(request: web.Request) -> list[Order]:
    """Return the orders that a list asks for; nested, the first of each group stands for all of it."""
    venue = venue_of(request)
    status = read_choice(request, "status", ("open", "closed", "all"), "open")
    direction = read_choice(request, "direction", ("asc", "desc"), "desc")
    limit = read_int(request, "limit", default=50, low=1, high=500)
    after, until = read_moment(request, "after"), read_moment(request, "until")
    symbols = {s for s in request.query.get("symbols", "").upper().split(",") if s}
    side = request.query.get("side")
    hides_legs = venue.faults.hit(("hide_legs",), method=request.method, path=request.path) is not None
    found = [
        order
        for order in venue.exchange.book.orders.values()
        if (status == "all" or _is_open(order, hides_legs) == (status == "open"))
        and (after is None or order.submitted_at > micros(after))
        and (until is None or order.submitted_at < micros(until))
        and (not symbols or order.symbol in symbols or order.symbol.replace("/", "") in symbols)
        and (side in (None, "", order.side))
    ]
    if _is_nested(request):
        primary = venue.exchange.book.primary
        firsts = {primary(order).order_id: primary(order) for order in found if order.replaced_by is None}
        replaced = {order.order_id: order for order in found if order.replaced_by is not None}
        known = {order.order_id for order in found}
        found = [one for key, one in (firsts | replaced).items() if not hides_legs or key in known]
    found.sort(key=lambda order: order.submitted_at, reverse=direction == "desc")
    return found[:limit]


def _is_open(order: Order, hides_legs: bool) -> bool:
    return order.is_open and not (hides_legs and order.status == "held")


def _is_nested(request: web.Request) -> bool:
    return request.query.get("nested", "").lower() in ("true", "1")


async def _body(request: web.Request) -> dict[str, object]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise ApiError(400, 40010000, "request body format is invalid") from error
    if not isinstance(body, dict):
        raise ApiError(400, 40010000, "request body format is invalid")
    return body


@routes.get("/v2/account/activities")
@routes.get("/v2/account/activities/{kind}")
async def get_activities(request: web.Request) -> web.Response:
    """A page of activities, newest first by default; ``page_token`` is the last id of the page before."""
    category = read_choice(request, "category", tuple(_CATEGORIES), "")
    named = request.match_info.get("kind") or request.query.get("activity_types")
    asked = named or ",".join(_CATEGORIES[category])
    kinds = [kind for kind in asked.upper().split(",") if kind]
    day = request.query.get("date")
    after, until = read_moment(request, "after"), read_moment(request, "until")
    if day is not None:
        try:
            after = float(epoch_day(date.fromisoformat(day)) * DAY_SECONDS)
        except ValueError as error:
            raise bad_parameter("invalid date") from error
        until = after + DAY_SECONDS
    page = venue_of(request).store.activities(
        kinds,
        after="0" if after is None else activity_bound(micros(after) + 1),
        until="9" if until is None else activity_bound(micros(until)),
        token=request.query.get("page_token") or None,
        descending=read_choice(request, "direction", ("asc", "desc"), "desc") == "desc",
        limit=read_int(request, "page_size", default=100, low=1, high=100),
    )
    return web.json_response(page)


def _write(venue: Venue, order: Order, *, is_nested: bool = False) -> dict[str, object]:
    legs = venue.exchange.book.legs(order) if is_nested else ()
    return order_json(order, venue.exchange.instrument(order.symbol), legs)
