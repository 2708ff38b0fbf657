"""A trading floor for tests of stopped processes: real processes, a fan-out of orders, and judges at the venue."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import redis
import requests
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from connectors.throttle.shared import PREFIX
from orchestrator_project.runtime.prepare import seed
from risk.errors import SwitchStateError
from tests.e2e.system import System, environment
from tests.factories import make_cycle, make_limits, make_strategy, make_user, switch_guards_off
from tests.ports import free_port
from tests.trading.outside import ORDERS, Outside
from tests.trading.scenes import forget_prices, price_of, wish
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.access.api_tokens import issue_token
from trading.cycle import cycles
from trading.execution.portfolio import sync_portfolio
from trading.market.assets import refresh_assets
from trading.models import AgentStatus, AIDecision, Asset, Cycle, MarketSnapshot, Mode, Saga
from trading.safety import kill_switch
from trading.tasks import risk_and_execute

LIMIT_KEY = "alpaca trading"
LIMIT, RESERVE = 200, 25  # by default: requests in a minute, and those kept for orders
FLATTEN_MARK = "-flatten-"


class Floor:
    """The processes, the venue and what is asked of both.

    Args:
        workers: children of the worker, which send the orders.
    """

    def __init__(self, outside: Outside, *, workers: int) -> None:
        self.outside = outside
        self.venue = outside.venue
        self.home = Path(tempfile.mkdtemp(prefix="floor-", dir=settings.ENVIRONMENT.orchestrator_home))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.token = issue_token(user=make_user(is_superuser=True)).text
        self.system = System(self.home, workers=workers, also=frozenset({"web"}), port=port)
        self.system.start()
        self.system.start_one("web")
        wait_until(self._web_answers, seconds=180, what="the web process")
        stocks = Asset.objects.filter(asset_class="stock", fractionable=True).order_by("-dollar_volume")
        self.symbols = list(stocks.values_list("symbol", flat=True)[:40])

    def close(self) -> None:
        """End everything."""
        self.system.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def trees(self, name: str) -> list[psutil.Process]:
        """Return a process and its children."""
        return self.system.processes(name)

    def hold(self, symbols: Iterable[str], *, quantity: str = "3") -> None:
        """Have the account hold these, bought by a stranger, and known to us."""
        for symbol in symbols:
            self.outside.place(symbol, quantity)
        wait_until(lambda: set(symbols) <= set(self.held()), what=f"the venue holds {symbols}")
        sync_portfolio(None)

    def held(self) -> dict[str, Decimal]:
        """Return what the venue holds now."""
        return self.outside.positions()

    def fan_out(self, symbols: Iterable[str]) -> list[AIDecision]:
        """Open a cycle that buys these symbols and give every decision to the worker."""
        decisions = next_cycle(symbols, "buy")
        for decision in decisions:
            risk_and_execute.delay(str(decision.pk))
        return decisions

    def wait_for_orders(self, count: int, decisions: list[AIDecision]) -> None:
        """Wait until so many orders have reached the venue."""
        keys = {str(decision.pk) for decision in decisions}
        chosen = AIDecision.objects.filter(pk__in=keys)

        def there() -> bool:
            return sum(post["client_order_id"][:36] in keys for post in self.posts()) >= count

        try:
            wait_until(there, seconds=180, what="orders on their way")
        except AssertionError as error:
            told = list(chosen.values_list("symbol", "status", "reason", "reason_detail"))
            raise AssertionError(f"{error}: {told} {self.system.log('worker')[-3000:]}") from error

    def posts(self, *, after: float = 0.0) -> list[dict[str, Any]]:
        """Return our order requests that were whole after a moment of the monotonic clock, oldest first."""
        return posts_of(self.venue, after=after)

    def late(self, returned: float) -> list[str]:
        """Return the orders, flatten's apart, whose requests left, or were completed, after a switch's return."""
        return late_requests(self.venue, returned)

    def not_sold(self, held: Iterable[str], began: float, *, within: float) -> list[str]:
        """Return the positions that nobody has asked to sell within so many seconds of a moment."""
        first: dict[str, float] = {}
        for post in self.posts(after=began):
            if post["order"]["side"] == "sell":
                first.setdefault(post["order"]["symbol"], post["monotonic"] - began)
        return [
            f"{symbol}: {'never' if symbol not in first else f'after {first[symbol]:.1f} s'}"
            for symbol in held
            if first.get(symbol, within + 1) > within
        ]

    def use_up_the_minute(self) -> None:
        """Fill our own limiter's window up to what is kept for orders: a minute without reads."""
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            keys = [k.decode() for k in client.scan_iter(f"{PREFIX}:{{{LIMIT_KEY}:*window")]
            assert keys, "no request has been counted yet"
            seconds, micros = client.time()
            now = seconds * 1_000_000 + micros
            members = {f"chaos-{n}": now for n in range(LIMIT - RESERVE)}
            client.delete(*keys)  # what is older would free its slots one by one
            client.zadd(keys[0], members)
            client.pexpire(keys[0], 70_000)

    def free_the_minute(self) -> None:
        """Forget what was counted."""
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            for key in client.scan_iter(f"{PREFIX}:*"):
                client.delete(key)

    def clean(self) -> None:
        """Release the switch, drop what waits, end the cycle, and hold nothing: the next trial begins."""
        self.venue.clear_faults()
        self.free_the_minute()
        _purge()
        self.system.revive()  # who was stopped between proof and last byte has ended itself
        with suppress(SwitchStateError):
            kill_switch.release(actor="chaos", reason="next trial")
        wait_until(self._settled, seconds=150, what="the end of everything that is under way")
        wait_until(self._has_sold, what="all that is held is sold")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM events WHERE aggregate_type = 'critical_error'")
        sync_portfolio(None)

    def _has_sold(self) -> bool:
        """Sell all that is held, as a stranger; what the keeper protects in between is sold by the next call."""
        try:
            self.outside.sell_everything()
        except RuntimeError:
            return False
        return True

    def _settled(self) -> bool:
        for cycle in Cycle.objects.open():
            cycles.abort_cycle(cycle, reason="the trial is over")
        return not (Saga.objects.open().exists() or AIDecision.objects.unsettled().exists())

    def _web_answers(self) -> bool:
        with suppress(OSError):
            return requests.get(f"{self.url}/health/live", timeout=60).status_code == 200
        return False


def posts_of(venue: VenueProcess, *, after: float) -> list[dict[str, Any]]:
    """Return our order requests that were whole after a moment of the monotonic clock, oldest first."""
    found = venue.requests(method="POST", path="/v2/orders")
    return [post for post in found if post["client_order_id"] and post["whole"] > after]


def late_requests(venue: VenueProcess, returned: float) -> list[str]:
    """Return the orders, flatten's apart, whose requests were whole after a switch had returned."""
    return [
        f"{p['client_order_id']} ({p['order']['side']} {p['order']['symbol']}) began at {p['monotonic']:.3f}, whole"
        f" {p['whole'] - returned:.3f} s after engage had returned"
        for p in posts_of(venue, after=returned)
        if FLATTEN_MARK not in p["client_order_id"]
    ]


@contextmanager
def opened_floor(outside: Outside, *, workers: int = 4) -> Iterator[Floor]:
    """Give a floor whose account trades by itself within wide limits, and close it."""
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    seed()
    AgentStatus.objects.update(mode=Mode.AUTONOMOUS)
    make_limits(max_exposure_percent=Decimal(90), max_positions=200, max_daily_loss_percent=Decimal(50))
    switch_guards_off()
    forget_prices()
    sync_portfolio(None)
    refresh_assets()
    floor = Floor(outside, workers=workers)
    try:
        yield floor
    finally:
        floor.close()


def next_cycle(symbols: Iterable[str], action: str) -> list[AIDecision]:
    """Open the next cycle and write its decisions, each for a hundredth of the equity, all at once.

    An open cycle without a decision would be completed by whoever sweeps.
    """
    chosen, now = list(symbols), timezone.now()
    Cycle.objects.open().update(status="completed", stage="ended", ended_at=now)
    sync_portfolio(None)
    MarketSnapshot.objects.all().delete()  # the venue's clock is held: an earlier trial's would seem to be of later
    for symbol in chosen:
        price_of(symbol)
    strategy, deadline = make_strategy(size_percent=Decimal(1)), now + timedelta(hours=1)
    with transaction.atomic():
        cycle = make_cycle(status="running", stage="executing", symbols=chosen, deadline_at=deadline)
        return [wish(symbol, action, cycle=cycle, strategy=strategy) for symbol in chosen]


def slow_orders(outside: Outside, seconds: float) -> str:
    """Let the venue take so long over every order; return the fault's id."""
    return outside.venue.fault(kind="latency", route=ORDERS, seconds=seconds)


def engage_environment() -> dict[str, str]:
    """Return the environment of one who engages."""
    return environment() | {"DJANGO_SETTINGS_MODULE": "orchestrator_project.settings"}


def _purge() -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.delete("default")
