"""What every request handler of the venue works with."""

import asyncio
import logging
import signal
from collections import deque
from dataclasses import dataclass, field

from aiohttp import web

from connectors.venue.faults import PRICE_KINDS, Faults
from connectors.venue.limits import RateLimits
from connectors.venue.paper.exchange import Exchange
from connectors.venue.paper.store import Store
from connectors.venue.replay.clock import ReplayClock
from connectors.venue.replay.market import Market, Tick
from connectors.venue.stream import UpdateStream
from connectors.venue.world.model import Instrument, World

_LOGGED_REQUESTS = 10_000
_STALE_SECONDS = 600.0

log = logging.getLogger("connectors.venue")


@dataclass(slots=True)
class Venue:
    """The venue's parts; one per process.

    ``start``: market time at which the replay began, epoch seconds. ``woken``: something was asked that may leave the
    exchange work to do.
    """

    world: World
    clock: ReplayClock
    market: Market
    store: Store
    exchange: Exchange
    faults: Faults
    limits: RateLimits
    stream: UpdateStream
    start: float
    requests: deque[dict[str, object]] = field(default_factory=lambda: deque(maxlen=_LOGGED_REQUESTS))
    has_failed: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def tick(self) -> None:
        """Bring the exchange up to the clock; what goes wrong there ends the venue."""
        try:
            self.exchange.tick()
        except Exception:
            self.fail()
            raise

    def reset(self, *, rewinds: bool = False) -> None:
        """Begin a new account, as a paper account's owner may: cash alone, and nothing of before.

        Args:
            rewinds: begin the replay anew, too, with the data's own splits and dividends; else time goes on.
        """
        self.exchange.save_clock()
        with self.store.transaction():
            self.store.forget_account()
            if rewinds:
                self.store.forget_replay()
        if rewinds:
            self.clock.rewind(self.start)
            self.market.forget_announced()
        self.exchange = self.exchange.begun_anew()
        self.requests.clear()

    def fail(self) -> None:
        """End the process, inside the handler of an exception.

        What fails half-way, e.g. on a full disk, leaves memory ahead of the state file: the venue must
        start again from the file.
        """
        log.exception("the venue cannot go on and stops: see whether the state folder can be written")
        self.has_failed = True
        signal.raise_signal(signal.SIGTERM)

    def observed(self, request: web.Request, instrument: Instrument) -> Tick | None:
        """Return the last price as this request may see it: faults may age, falsify, zero or hide it."""
        fault = self.faults.hit(
            PRICE_KINDS, method=request.method, path=request.path, symbols=(instrument.symbol,)
        )
        if fault is None:
            return self.market.tick(instrument)
        if fault.kind == "missing_symbol":
            return None
        if fault.kind == "stale_price":
            seconds = _STALE_SECONDS if fault.seconds is None else fault.seconds
            aged = self.market.tick(instrument, self.clock.now() - seconds)
            return aged or self.market.tick(instrument)
        tick = self.market.tick(instrument)
        if tick is None:
            return None
        price = tick.price * fault.fraction if fault.kind == "wrong_price" else 0.0
        return Tick(price, tick.traded_at, tick.half_spread)


VENUE = web.AppKey("venue", Venue)


def venue_of(request: web.Request) -> Venue:
    """Return the venue that serves this request."""
    return request.app[VENUE]
