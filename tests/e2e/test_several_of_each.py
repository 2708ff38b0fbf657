"""Two beats, two sweepers and two listeners at one account: what both of them see is done once."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db.models import Sum
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from tests.e2e.system import System
from tests.e2e.truth import assert_books_agree, wait_for_rest
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.core.settings import CYCLE_SCHEDULE, set_runtime_setting
from trading.models import Cycle, Order, Trade

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
LOOPS = ("sweeper", "listener", "beat")
CYCLES = 2
# What gives the listeners the same to record, and the sweepers the same to take up.
FAULTS = (
    {"kind": "partial_fill", "fraction": 0.4, "seconds": 1, "probability": 0.4},
    {"kind": "lost_update", "probability": 0.3},
    {"kind": "repeat_update", "seconds": 1, "probability": 0.5},
    {"kind": "reset_after", "route": "POST /v2/orders", "probability": 0.3},
)


@pytest.fixture
def twins(seeded: None, market: VenueProcess) -> Iterator[tuple[System, System]]:
    """One whole system, and of another the loops alone, on the same database, queue and account; beats at the end."""
    set_runtime_setting(name="cycle_interval", value="10", actor="test")
    PeriodicTask.objects.filter(name=CYCLE_SCHEDULE).update(last_run_at=timezone.now() - timedelta(hours=1))
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    one, two = (System(home / name, also=frozenset({"beat"})) for name in ("one", "two"))
    try:
        one.start()
        for name in LOOPS[:2]:
            two.start_one(name)
        wait_until(lambda: market.state_report()["stream_listeners"] == 2, what="both listeners")
        yield one, two
    finally:
        one.stop()
        two.stop()
        shutil.rmtree(home, ignore_errors=True)


def ended() -> int:
    return Cycle.objects.filter(trigger="schedule", ended_at__isnull=False).count()


def test_two_of_each_loop_do_nothing_twice(twins: tuple[System, System], market: VenueProcess) -> None:
    one, _ = twins
    for fault in FAULTS:
        market.fault(**fault)

    for system in twins:
        system.start_one("beat")
    wait_until(lambda: ended() >= CYCLES, seconds=240, what="cycles of two beats")
    wait_until(lambda: one.lines("cycle_not_started"), what="the second message of a slot")
    for system in twins:
        system.kill("beat")
    market.clear_faults()
    wait_until(lambda: not Cycle.objects.open().exists(), what="the end of the last cycle")
    wait_for_rest()

    assert all(system.processes(name)[0].is_running() for system in twins for name in LOOPS[:2])
    assert market.state_report()["stream_listeners"] == 2
    slots = Counter(Cycle.objects.filter(trigger="schedule").values_list("slot", flat=True))
    assert set(slots.values()) == {1}
    assert_books_agree(market)
    told = {row["client_order_id"]: row for row in market.get("/v2/orders?status=all&limit=500")}
    filled = Order.objects.filter(filled_quantity__gt=0).annotate(executed=Sum("fills__quantity"))
    assert filled.exists()
    assert {order.client_order_id: order.executed for order in filled} == {
        name: Decimal(row["filled_qty"]) for name, row in told.items() if Decimal(row["filled_qty"])
    }
    booked = dict(Trade.objects.values_list("order__client_order_id", "quantity"))
    assert booked == {order.client_order_id: order.executed for order in filled}
