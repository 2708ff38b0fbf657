"""The process whose threads bring orders out: asked to end it ends what it began; killed, nothing is posted twice."""

import signal

import psutil
import pytest
from django.db import transaction

from tests.e2e.system import System
from tests.e2e.truth import assert_books_agree, wait_for_rest
from tests.factories import make_cycle, make_decision
from tests.trading.outside import ORDERS
from tests.trading.scenes import ago, order_of, passed
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading import tasks
from trading.models import Asset, Saga

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
AT_ONCE = 6  # more than the worker has children


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def sent_by_threads(system: System, market: VenueProcess) -> list[Saga]:
    """Return sagas whose orders are all on their way at the same time, by threads of one process."""
    system.kill("worker")
    stocks = Asset.objects.filter(asset_class="stock", fractionable=True).order_by("-dollar_volume")
    with transaction.atomic():  # the sweeper finishes a cycle that has no decision under way
        cycle = make_cycle(status="running", stage="executing")
        holder = make_decision(cycle=cycle, status="claimed", lease_until=ago(seconds=-40))
    sagas = [passed(asset.symbol, cycle=cycle, size_percent=1) for asset in stocks[:AT_ONCE]]
    holder.delete()
    market.fault(kind="latency", route=ORDERS, seconds=3)
    for saga in sagas:
        tasks.risk_and_execute.delay(str(saga.decision_id))
    wait_until(lambda: market.faults()[0]["hits"] == AT_ONCE, what="all are at the venue at the same time")
    return sagas


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_orders_under_way_are_posted_once_however_their_process_ends(
    system: System, market: VenueProcess, number: signal.Signals
) -> None:
    sagas = sent_by_threads(system, market)
    (process,) = system.processes("io_worker")

    process.send_signal(number)

    wait_until(lambda: has_ended(process), what="the process has ended")
    if number == signal.SIGTERM:
        assert all(order_of(saga).acknowledged_at for saga in sagas), "what it had begun is recorded"
    market.clear_faults()
    system.kill("io_worker")
    for name in ("worker", "io_worker"):
        system.start_one(name)
    wait_for_rest(seconds=150)
    assert {order_of(saga).status for saga in sagas} == {"filled"}
    for saga in sagas:
        name = order_of(saga).client_order_id
        assert len(market.requests(method="POST", path="/v2/orders", client_order_id=name)) == 1
    assert_books_agree(market)
