"""Alpaca's news API, with the venue's synthetic headlines."""

from aiohttp import web

from connectors.venue.context import venue_of
from connectors.venue.errors import ApiError
from connectors.venue.replay.timeline import DAY_SECONDS
from connectors.venue.routes.parameters import read_choice, read_int, read_moment
from connectors.venue.wire import decode_token, encode_token, stamp
from connectors.venue.world.headlines import SOURCE, Headline, headlines

routes = web.RouteTableDef()

_DEFAULT_DAYS = 7


@routes.get("/v1beta1/news")
async def get_news(request: web.Request) -> web.Response:
    """A page of headlines up to market time, newest first by default; coins are tagged ``BTCUSD``."""
    venue = venue_of(request)
    now = venue.clock.now()
    end = min(read_moment(request, "end") or now, now)
    start = read_moment(request, "start") or end - _DEFAULT_DAYS * DAY_SECONDS
    names = [name for name in request.query.get("symbols", "").split(",") if name]
    wanted = [venue.world.by_position_symbol(name) for name in names]
    chosen = [one for one in wanted if one is not None] if names else list(venue.world.instruments.values())
    found = headlines(venue.world, dict.fromkeys(chosen), start, end)
    if read_choice(request, "sort", ("asc", "desc"), "desc") == "asc":
        found.reverse()
    limit = read_int(request, "limit", default=10, low=1, high=50)
    offset = _offset(request, found)
    page = found[offset : offset + limit]
    token = encode_token(page[-1].headline_id) if offset + limit < len(found) else None
    return web.json_response({"news": [_write(one) for one in page], "next_page_token": token})


def _offset(request: web.Request, found: list[Headline]) -> int:
    token = request.query.get("page_token")
    if not token:
        return 0
    try:
        last = int(decode_token(token)[0])
        return [one.headline_id for one in found].index(last) + 1
    except ValueError as error:
        raise ApiError(400, 40010000, "invalid page_token") from error


def _write(headline: Headline) -> dict[str, object]:
    published = stamp(headline.published_at)
    return {
        "id": headline.headline_id,
        "headline": headline.title,
        "author": "venue",
        "created_at": published,
        "updated_at": published,
        "summary": headline.summary,
        "content": "",
        "url": headline.url,
        "images": [],
        "symbols": [headline.symbol.replace("/", "")],
        "source": SOURCE,
    }
