"""The kill switch under full load: once ``engage`` has returned nothing reaches the venue; and how long it takes."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import quantiles
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from connectors.errors import ConnectorError
from tests.chaos.conftest import Length, Say
from tests.chaos.monitors import Monitors
from tests.e2e.system import environment
from tests.trading.outside import ORDERS, STOCK, Outside
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.domain.order_ids import Purpose
from trading.models import Order
from trading.orders.attempts import Attempt, SwitchEngagedError
from trading.orders.pacing import REQUEST_LEASE
from trading.orders.posting import post_order
from trading.safety import kill_switch

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1_200)]
SUBMITTERS = 8
AFTERWARDS_SECONDS = 0.06  # how long submitters go on trying against the engaged switch
BROKER_SECONDS = {True: 10.0, False: 2.0}  # the order timeout in force: the default when there is time for it
OVERHEAD_SECONDS = 60.0  # of a crowded machine, over what the broker takes


@dataclass(slots=True)
class Load:
    """Submitters that post as fast as they are let, through the product's one function that posts."""

    posted: int = 0
    held_back: int = 0
    unexpected: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def submit(self) -> None:
        """Post orders until stopped; a connection of its own, as a worker process has."""
        try:
            while not self.stop.is_set():
                self._once()
        finally:
            connection.close()

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more orders have been taken."""
        goal = self.posted + count
        wait_until(lambda: self.posted >= goal or self.unexpected, what=f"{count} orders more")

    def wait_for_held_back(self, count: int) -> None:
        """Wait until the switch has held back more than ``count``."""
        wait_until(lambda: self.held_back > count, what="a submitter that is held back")

    def _once(self) -> None:
        order = Order.objects.create(
            client_order_id=f"{uuid4()}-external-0",
            symbol=STOCK,
            side="buy",
            purpose=Purpose.EXTERNAL,  # the one that needs no decision; the door is the same as an entry's
            quantity=Decimal(1),
            time_in_force="day",
            status="submitting",
            lease_until=timezone.now() + REQUEST_LEASE,
        )
        try:
            post_order(Attempt(order))
        except SwitchEngagedError:
            with self._guard:
                self.held_back += 1
            self.stop.wait(0.002)
        except ConnectorError as error:
            with self._guard:
                self.unexpected.append(str(error))
        else:
            with self._guard:
                self.posted += 1


@contextmanager
def loaded() -> Iterator[Load]:
    """Run eight submitters during the block."""
    load = Load()
    threads = [threading.Thread(target=load.submit, daemon=True) for _ in range(SUBMITTERS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop.set()
        for thread in threads:
            thread.join(120)


def slow_venue(venue: VenueProcess) -> None:
    """Let every order request take 5 to 25 ms."""
    for seconds, probability in ((0.005, 0.33), (0.015, 0.5), (0.025, 1.0)):
        venue.fault(kind="latency", route=ORDERS, seconds=seconds, probability=probability)


def engage_seconds() -> float:
    """Engage; return how long it took."""
    began = time.monotonic()
    kill_switch.engage(actor="chaos", reason="race")
    return time.monotonic() - began


def release() -> None:
    kill_switch.release(actor="chaos", reason="next trial")


def idle_seconds() -> float:
    """Engage and release with nothing else going on; return how long engaging took."""
    took = engage_seconds()
    release()
    return took


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


def test_no_order_reaches_the_venue_after_engage_returned(
    trading_account: Outside, length: Length, say: Say
) -> None:
    """docs/lessons.md#lesson-33: nothing posts by a path that the switch does not see."""
    monitors = Monitors(environment()["DATABASE_URL"], trading_account.venue)
    chance = random.Random(length.seed)
    slow_venue(trading_account.venue)
    idle = [idle_seconds() for _ in range(length.trials)]
    took: list[float] = []
    late: list[str] = []

    with loaded() as load:
        for _ in range(length.trials):
            load.wait_for_more(SUBMITTERS)
            load.stop.wait(chance.uniform(0, 0.05))
            took.append(engage_seconds())
            returned, held_back = time.time(), load.held_back
            load.stop.wait(AFTERWARDS_SECONDS)
            late += monitors.orders_after(returned, time.time())
            load.wait_for_held_back(held_back)
            release()

    for name, seconds in (("idle", idle), ("loaded", took)):
        p50, p99 = percentiles(seconds)
        say(f"engage, {name:<7} p50 {p50:8.1f} ms   p99 {p99:8.1f} ms   of {len(seconds)}")
    say(
        f"engage, after it returned: {len(late)} requests at the venue, {load.posted} before, {length.trials} trials"
    )
    assert late == []
    assert load.unexpected == []


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_a_broker_that_does_not_answer_delays_engage_by_its_timeout_at_most(
    trading_account: Outside, length: Length, say: Say, kind: str
) -> None:
    limit = BROKER_SECONDS[length.is_long]
    set_runtime_setting(name="order_timeout", value=str(limit), actor="test")
    monitors = Monitors(environment()["DATABASE_URL"], trading_account.venue)
    took: list[float] = []
    late: list[str] = []

    for _ in range(5 if length.is_long else 1):
        fault = trading_account.venue.fault(kind=kind, route=ORDERS, seconds=60 if kind == "hang" else 1)
        with loaded() as load:
            wait_until(_hits(trading_account.venue, fault), what="a request that waits for the broker")
            took.append(engage_seconds())
            returned = time.time()
            load.stop.wait(AFTERWARDS_SECONDS)
            late += monitors.orders_after(returned, time.time())
        release()
        trading_account.venue.clear_faults()

    say(
        f"engage, {kind:<7} longest {max(took) * 1000:8.1f} ms   of {len(took)}, the broker's timeout {limit:.0f} s"
    )
    assert late == []
    assert max(took) <= limit + OVERHEAD_SECONDS


def _hits(venue: VenueProcess, fault: str) -> Callable[[], bool]:
    return lambda: any(rule["id"] == fault and rule["hits"] >= SUBMITTERS for rule in venue.faults())
