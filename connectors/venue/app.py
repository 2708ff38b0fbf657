"""Put the venue together: its parts from the options, its routes and its background task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from connectors.venue import middleware, strangers
from connectors.venue.context import VENUE, Venue
from connectors.venue.faults import Faults
from connectors.venue.limits import RateLimits
from connectors.venue.paper.exchange import Exchange
from connectors.venue.paper.pricing import FillModel
from connectors.venue.paper.store import Store
from connectors.venue.replay.clock import ReplayClock
from connectors.venue.replay.market import Market
from connectors.venue.replay.timeline import build_timeline, usual_start
from connectors.venue.routes import chat, coingecko, controls, data, finnhub, news, trading
from connectors.venue.stream import UpdateStream
from connectors.venue.world.model import World
from connectors.venue.world.reading import read_world
from connectors.venue.world.synthetic import synthetic_world

_TICK_SECONDS = 0.02
_TICK_AT_REST_SECONDS = 0.1  # nobody trades: 0.3 % of a core is used, and not 1 %
_ROUTES = (
    trading,
    data,
    news,
    finnhub,
    coingecko,
    chat,
    controls,
)


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """What a venue is started with.

    Args:
        start: epoch seconds of market time at which a new state begins; None: the usual one of its data.
        speed: market seconds per real second.
        fill_latency: real seconds from an order's entry to its fill.
        rate_limit: Alpaca requests a window and key; 0: no limit.
        rate_window: that window's seconds.
    """

    data: Path | None
    state: Path
    start: float | None
    speed: float = 1.0
    seed: int = 7
    fill_latency: float = 0.15
    slippage_bps: float = 3.0
    partial_rate: float = 0.1
    rate_limit: int = 200
    rate_window: int = 60


def build_venue(options: VenueOptions) -> Venue:
    """Read the data and the state and set everything up; a known state goes on where it stopped.

    Raises:
        VenueInputError: the data, the start or the state cannot be used.
    """
    world = _world(options, books_actions=True)
    store = Store(options.state)
    try:
        if world.actions and store.fact("world") == world.name.removesuffix(":actions"):
            # a state of before they were booked goes on as it began
            world = _world(options, books_actions=False)
        store.claim(world.name)
        return assemble(options, world, store)
    except BaseException:
        store.close()
        raise


def _world(options: VenueOptions, *, books_actions: bool) -> World:
    if options.data is None:
        return synthetic_world(options.seed)
    return read_world(options.data, options.seed, books_actions=books_actions)


def assemble(options: VenueOptions, world: World, store: Store) -> Venue:
    """Set a venue up on what was read: its ``world`` and its state."""
    known_start = store.fact("start")
    start = float(known_start) if known_start else options.start
    if start is None:
        start = usual_start(world)
    timeline = build_timeline(world, start)
    store.set_fact("start", repr(start))
    known_time = store.fact("market_time")
    clock = ReplayClock(
        timeline,
        start if known_time is None else float(known_time),
        options.speed,
        last_stamp=int(store.fact("last_stamp") or 0),
    )
    market = Market(world, timeline, clock)
    for action in store.announced():
        market.announce(action)
    faults = Faults(options.seed)
    fills = FillModel(options.seed, options.fill_latency, options.slippage_bps, options.partial_rate)
    exchange = Exchange(market, store, faults, fills)
    stream = UpdateStream(faults)
    exchange.on_update = stream.publish
    limits = RateLimits(options.rate_limit, window_seconds=options.rate_window)
    return Venue(world, clock, market, store, exchange, faults, limits, stream, start)


def build_app(venue: Venue) -> web.Application:
    """Return the web application that serves ``venue``."""
    app = web.Application(
        middlewares=[
            strangers.refuse_strangers,
            middleware.wake_exchange,
            middleware.keep_log,
            middleware.inject_faults,
            middleware.admit,
        ],
        client_max_size=4 * 2**20,
    )
    app[VENUE] = venue
    for module in _ROUTES:
        app.add_routes(module.routes)
    app.router.add_get("/stream", venue.stream.handle)
    app.cleanup_ctx.append(_run_exchange)
    app.on_shutdown.append(_close_stream)
    return app


async def _close_stream(app: web.Application) -> None:
    await app[VENUE].stream.close()


async def _run_exchange(app: web.Application) -> AsyncIterator[None]:
    """Keep the exchange moving while the application serves."""
    venue = app[VENUE]

    async def run() -> None:
        while True:
            venue.woken.clear()
            venue.tick()
            await _next_tick(venue)

    task = asyncio.create_task(run())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    venue.store.close()


async def _next_tick(venue: Venue) -> None:
    if not venue.exchange.is_at_rest:
        await asyncio.sleep(_TICK_SECONDS)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_TICK_AT_REST_SECONDS):
            await venue.woken.wait()
