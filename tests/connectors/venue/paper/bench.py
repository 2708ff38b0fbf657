"""The exchange without HTTP and without waiting: real time and market time pass when a test says so."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from connectors.venue.app import VenueOptions, assemble
from connectors.venue.paper.orders import Order
from connectors.venue.paper.store import Store
from connectors.venue.replay.timeline import parse_start
from connectors.venue.wire import parse_time
from connectors.venue.world.loader import load_world
from connectors.venue.world.model import World
from tests.connectors.venue.falling import falling_world

LATENCY = 1.0


@cache
def known_world() -> World:
    """Return the falling stocks, read once."""
    with tempfile.TemporaryDirectory() as folder:
        return load_world(falling_world(Path(folder) / "data"), 7)


class Bench:
    """One exchange on the falling stocks, with what its stream said."""

    def __init__(self, folder: Path, world: World | None = None, **options: Any) -> None:
        self._world = world or known_world()
        self.seconds = 1_000.0
        chosen: dict[str, Any] = {
            "fill_latency": LATENCY,
            "slippage_bps": 0.0,
            "partial_rate": 0.0,
            **options,
        }
        start = parse_start("2020-10-15T09:31")
        self._options = VenueOptions(data=None, state=folder / "state", start=start, **chosen)
        self.open()

    def open(self) -> None:
        """Start the exchange on its state file; the clock stands."""
        store = Store(self._options.state)
        store.claim("bench")
        self.venue = assemble(self._options, self._world, store)
        self.exchange = self.venue.exchange
        self.venue.clock.pause()
        self.heard: list[tuple[str, str]] = []
        self.exchange.on_update = self._hear

    def close(self) -> None:
        """Let go of the state file, as a kill does."""
        self.venue.store.close()

    def _hear(self, update: dict[str, Any]) -> None:
        self.heard.append((update["event"], update["order"]["id"]))

    def wait(self, seconds: float = 3 * LATENCY) -> None:
        """Let real time pass, in steps as the venue's own."""
        for _ in range(6):
            self.seconds += seconds / 6
            self.exchange.tick()

    def go(self, moment: str) -> None:
        """Move market time, in no real time."""
        self.venue.clock.jump(parse_time(moment))
        self.exchange.tick()

    def submit(self, symbol: str = "AAA", side: str = "buy", **fields: Any) -> Order:
        body = {"symbol": symbol, "side": side, "qty": "4", "type": "market", "time_in_force": "gtc"}
        return self.exchange.submit(body | fields)

    def bracket(self, target: str = "120", stop: str = "95", **fields: Any) -> Order:
        """Buy with both exits; the entry has filled when this returns, unless it is a limit."""
        levels = {"take_profit": {"limit_price": target}, "stop_loss": {"stop_price": stop}}
        order = self.submit(order_class="bracket", **{**levels, **fields})
        self.wait()
        return order

    def part(self, order: Order, role: str) -> Order:
        """Return the present order of a group with this role."""
        return next(one for one in [order, *self.exchange.book.legs(order)] if one.role == role)

    @property
    def held(self) -> Decimal:
        return self.exchange.ledger.quantity("AAA")


@contextmanager
def bench(folder: Path, **options: Any) -> Iterator[Bench]:
    """Give an exchange whose real time stands still."""
    opened: list[Bench] = []
    with patch(
        "connectors.venue.paper.exchange.time.monotonic", lambda: opened[0].seconds if opened else 1_000.0
    ):
        made = Bench(folder, **options)
        opened.append(made)
        try:
            yield made
        finally:
            made.close()
