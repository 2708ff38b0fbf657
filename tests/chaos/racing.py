"""The system in threads of one process, and those who race a stop or a target for what is held.

The sweeper's parts and the listener run beside the test as they do in the product, each with a connection of its own;
so what a round leaves undone is found and ended by them.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from connectors.base import TradeUpdate
from connectors.errors import ConnectorError
from risk.services import switch
from tests.trading.outside import Outside
from trading import flow
from trading.core.providers import current_providers
from trading.core.work import Work, WorkKind
from trading.errors import TradingError
from trading.events.order_hints import take_update
from trading.execution import sagas
from trading.execution.portfolio import sync_portfolio
from trading.exits.closing import close_position
from trading.exits.rounds import Rounds
from trading.market.market_time import market_now
from trading.models import Position, Saga
from trading.orders.broker_stream import note_alive
from trading.safety import kill_switch
from trading.work.guardian import Guardian
from trading.work.sweeping import find_work

ORDER_WORK = frozenset({WorkKind.ADVANCE, WorkKind.SETTLE, WorkKind.FOLLOW})
NEVER_MIND = (ConnectorError, TradingError, CommandError)
ORDERS, ONE, CANCEL, REPLACE = (
    "POST /v2/orders",
    "GET /v2/orders/*",
    "DELETE /v2/orders/*",
    "PATCH /v2/orders/*",
)
FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "reset_after", "route": ORDERS, "probability": 0.4},
    {"kind": "reset_before", "route": ORDERS, "probability": 0.3},
    {"kind": "reset_after", "route": CANCEL, "probability": 0.5},
    {"kind": "error", "route": CANCEL, "status": 500, "probability": 0.3},
    {"kind": "reset_after", "route": REPLACE, "probability": 0.6},
    {"kind": "truncate", "route": ONE, "probability": 0.2},
    {"kind": "error", "route": ONE, "status": 500, "probability": 0.2},
    {"kind": "latency", "route": ONE, "seconds": 0.3, "probability": 0.5},
    {"kind": "latency", "route": ORDERS, "seconds": 0.4, "probability": 0.6},
    {"kind": "latency", "route": CANCEL, "seconds": 0.4, "probability": 0.6},
    {"kind": "latency", "route": "GET /v2/positions*", "seconds": 0.3, "probability": 0.5},
    {"kind": "error", "route": "GET /v2/positions*", "status": 500, "probability": 0.2},
    {"kind": "partial_fill", "fraction": 0.4, "seconds": 0.5, "probability": 0.5},
    {"kind": "fill_delay", "seconds": 0.6, "probability": 0.6},
    {"kind": "lost_update", "probability": 0.5},
    {"kind": "late_update", "seconds": 2, "probability": 0.5},
    {"kind": "repeat_update", "seconds": 0.5},
    {"kind": "reorder_update", "seconds": 1, "probability": 0.5},
    {"kind": "hide_legs"},
)


@dataclass(slots=True)
class System:
    """What runs beside the test; ``unexpected``: what should not have been raised anywhere."""

    unexpected: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Run the sweeper's parts and the listener during the block."""
        rounds, guardian = Rounds(), Guardian()
        parts = (self._sweep, rounds.look, guardian.look, self._sync)
        threads = [threading.Thread(target=self._repeat, args=(part,), daemon=True) for part in parts]
        threads.append(threading.Thread(target=self._listen, daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            with suppress(Exception):
                current_providers().broker.stop_listening()
            for thread in threads:
                thread.join(60)

    def do(self, work: Work) -> None:
        """Do a piece of work as the worker does, whose failed task the sweeper takes up."""
        try:
            flow.do_here(flow.Step(work.kind.value, (str(work.id),)))
        except NEVER_MIND:
            return
        except DatabaseError as error:
            self.unexpected.append(f"{work}: {error!r}")

    def _repeat(self, part: Callable[[], None]) -> None:
        try:
            while not self._over.wait(0.3):
                try:
                    part()
                except NEVER_MIND:
                    continue
                except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
                    self.unexpected.append(f"{part}: {error!r}")
        finally:
            connection.close()

    def _sweep(self) -> None:
        for work in find_work():
            if work.kind in ORDER_WORK:
                self.do(work)

    def _sync(self) -> None:
        """Read the account as each cycle does."""
        sync_portfolio(None)
        self._over.wait(4)

    def _listen(self) -> None:
        try:
            while not self._over.is_set():
                with suppress(ConnectorError):
                    current_providers().broker.listen(self._take, on_alive=note_alive)
                self._over.wait(0.2)
        finally:
            connection.close()

    def _take(self, update: TradeUpdate) -> None:
        try:
            for work in take_update(update):
                self.do(work)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            self.unexpected.append(f"{update.event}: {error!r}")


@dataclass(frozen=True, slots=True)
class Heat:
    """Several races at once, under the same faults, each of another symbol: who runs against its legs, and when.

    ``leap_seconds``: by how much market time goes on every 40 ms.
    """

    number: int
    runners: Mapping[str, tuple[tuple[str, float], ...]]
    faults: tuple[dict[str, object], ...]
    leap_seconds: float

    def __str__(self) -> str:
        faults = ", ".join(f"{rule['kind']} {rule.get('route', '')}".strip() for rule in self.faults)
        names = {symbol: "+".join(name for name, _ in theirs) for symbol, theirs in self.runners.items()}
        return f"heat {self.number}: {names} under [{faults}]"


RUNNERS = ("model", "operator", "part", "command", "time_stop", "trailing")


def drawn(seed: int, number: int, symbols: Sequence[str]) -> Heat:
    """Return a heat: each symbol has a runner or several, each sixth heat a sale of everything besides."""
    chance = random.Random(f"{seed} {number}")
    runners: dict[str, tuple[tuple[str, float], ...]] = {}
    for place, symbol in enumerate(symbols):
        first = RUNNERS[(number + place) % len(RUNNERS)]
        others = [name for name in RUNNERS if name != first]
        theirs = (first, *chance.sample(others, chance.choice((0, 0, 1, 2))))
        runners[symbol] = tuple((name, chance.uniform(0, 0.6)) for name in theirs)
    if number % 6 == 5:
        runners[symbols[0]] += (("flatten", chance.uniform(0.2, 0.6)),)
    faults = tuple(chance.sample(FAULTS, chance.choice((0, 2, 3, 4))))
    return Heat(number, runners, faults, chance.choice((120.0, 400.0, 1_000.0)))


def act(runner: str, symbol: str, sale: Saga | None) -> None:
    """Do what the runner does; what it may be refused is no failure.

    Args:
        sale: of the model, passed by the gate; nothing is sent yet.
    """
    if runner == "model":
        assert sale is not None
        sagas.advance_saga(sale.pk)
    elif runner == "operator":
        close_position(symbol, reason="operator", actor="race")
    elif runner == "part":
        close_position(symbol, quantity=Decimal(1), reason="operator", actor="race")
    elif runner == "command":
        call_command("close", symbol, "--json", stdout=_Nowhere())
    elif runner == "time_stop":
        now = market_now()
        assert now is not None
        Position.objects.filter(pk=symbol).update(sell_by=now - timedelta(days=1))
    elif runner == "trailing":
        _trail(symbol)
    elif runner == "flatten":
        kill_switch.engage(actor="race", reason="race", flatten=True)


def _trail(symbol: str) -> None:
    """Have the stop follow closely; the round of the exits raises it."""
    position = Position.objects.filter(pk=symbol).first()
    if position is None or position.market_value is None or position.stop_price is None:
        return
    price = position.market_value / position.quantity
    highest = max(price, position.stop_price * Decimal("1.008"))
    Position.objects.filter(pk=symbol).update(trailing_percent=Decimal("0.2"), highest_price=highest)


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return


def run(heat: Heat, outside: Outside, sales: Mapping[str, Saga]) -> list[str]:
    """Let the prices move while the runners act; return what they should not have raised.

    Args:
        sales: of the model, by symbol.
    """
    go, over = threading.Event(), threading.Event()
    problems: list[str] = []

    def runner(symbol: str, name: str, after: float) -> None:
        go.wait()
        time.sleep(after)
        try:
            act(name, symbol, sales.get(symbol))
        except NEVER_MIND:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            problems.append(f"{name}: {error!r}")
        finally:
            connection.close()

    def weather() -> None:
        go.wait()
        while not over.wait(0.04):
            outside.venue.clock(advance=heat.leap_seconds)

    each = [(symbol, *one) for symbol, theirs in heat.runners.items() for one in theirs]
    threads = [threading.Thread(target=runner, args=one, daemon=True) for one in each]
    moving = threading.Thread(target=weather, daemon=True)
    for thread in (*threads, moving):
        thread.start()
    go.set()
    time.sleep(1.0)
    over.set()
    for thread in (*threads, moving):
        thread.join(120)
    return problems


def release() -> None:
    """Release the switch where a round has engaged it."""
    if switch.is_engaged():
        kill_switch.release(actor="race", reason="next round")
