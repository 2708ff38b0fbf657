"""Processes killed with kill -9 in every stage of a cycle, whole and one child; the queue emptied.

Whatever dies: the cycle ends within its deadline, no order is doubled, and our books agree with the
venue's. Each stage is held still by a lock or a slow venue, so that the kill hits it every time.
"""

from collections.abc import Callable
from contextlib import ExitStack

import psycopg2
import pytest
import redis
from django.conf import settings
from django.db.models import F

from risk.services.locks import SWITCH_LOCK
from tests.e2e.system import System, environment, held
from tests.e2e.truth import assert_books_agree, wait_for_end, wait_for_rest
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.cycle.cycles import start_cycle
from trading.domain.statuses import CycleStage, OrderStatus
from trading.models import AgentStatus, AIDecision, Asset, Cycle, Mode, Order, Saga
from trading.tasks import launch

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
WHOLE, CHILD = "whole", "child"
both = pytest.mark.parametrize("victim", [WHOLE, CHILD])


@pytest.fixture
def start(system: System) -> Callable[[], Cycle]:
    """Start a cycle of some symbols the way a beat does."""

    def run() -> Cycle:
        stocks = Asset.objects.filter(asset_class="stock").order_by("-dollar_volume")[:8]
        symbols = [*(asset.symbol for asset in stocks), "BTC/USD", "ETH/USD"]
        cycle = start_cycle(trigger="test", symbols=symbols)
        launch(cycle)
        return cycle

    return run


def kill(system: System, name: str, victim: str) -> None:
    """Kill who does this work: of the workers' both, for either may have taken it."""
    if name == "worker":
        system.kill("io_worker")
        system.start_one("io_worker")
    if victim == CHILD:
        system.kill_child(name)
        return
    system.kill(name)
    system.start_one(name)


def waiting_for_a_lock() -> bool:
    """Whether a process of the system waits for one of the locks held here."""
    with psycopg2.connect(environment()["DATABASE_URL"]) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        row = cursor.fetchone()
        return bool(row and row[0])


def at_stage(cycle: Cycle, stage: CycleStage) -> Callable[[], bool]:
    return lambda: Cycle.objects.filter(pk=cycle.pk, stage=stage).exists()


def let_the_lease_run_out(cycle: Cycle) -> None:
    """Let nobody wait for the lease of the process that was killed."""
    Cycle.objects.filter(pk=cycle.pk).update(lease_until=cycle.started_at)


def let_the_leases_of_orders_run_out() -> None:
    """Let nobody wait for the answer to a request of the process that was killed."""
    Order.objects.filter(lease_until__isnull=False).update(lease_until=F("created_at"))
    Saga.objects.filter(ended_at__isnull=True).update(next_poll_at=F("started_at"))


def give_lost_fetches_up_soon() -> None:
    """Let nobody wait long for a fetch that was lost; what came late makes its symbols hold."""
    set_runtime_setting(name="fetch_timeout", value="4", actor="test")


def assert_ended_well(cycle: Cycle, market: VenueProcess) -> None:
    wait_for_end(cycle)
    wait_for_rest()
    assert_books_agree(market)
    assert AIDecision.objects.filter(cycle=cycle).count() == len(cycle.symbols)


@both
def test_killed_at_the_start(
    system: System, market: VenueProcess, start: Callable[[], Cycle], victim: str
) -> None:
    give_lost_fetches_up_soon()
    cycle = start()
    kill(system, "worker", victim)

    assert_ended_well(cycle, market)


@both
def test_killed_in_a_fetch(
    system: System, market: VenueProcess, start: Callable[[], Cycle], victim: str
) -> None:
    give_lost_fetches_up_soon()
    market.fault(kind="latency", route="GET /v2/stocks/snapshots", seconds=3, times=1)
    cycle = start()
    wait_until(lambda: market.faults()[0]["hits"], what="the slow request")

    kill(system, "worker", victim)

    assert_ended_well(cycle, market)


@both
def test_killed_at_the_end_of_the_analysis(
    system: System, market: VenueProcess, start: Callable[[], Cycle], victim: str
) -> None:
    with held("LOCK TABLE ai_decisions IN EXCLUSIVE MODE"):
        cycle = start()
        wait_until(waiting_for_a_lock, what="the insert of the decisions")
        kill(system, "analyst", victim)
    let_the_lease_run_out(cycle)

    assert_ended_well(cycle, market)
    assert Order.objects.filter(cycle_id=cycle.pk).exists()


@both
def test_killed_before_an_order_request(
    system: System, market: VenueProcess, start: Callable[[], Cycle], victim: str
) -> None:
    with held(f"SELECT pg_advisory_lock({SWITCH_LOCK})"):
        cycle = start()
        # The message that claims an entry takes the switch's lock, too: nothing of it is committed yet.
        wait_until(
            lambda: Order.objects.filter(status=OrderStatus.CREATED).exists() and waiting_for_a_lock(),
            what="an order about to leave",
        )
        kill(system, "worker", victim)
        assert market.requests(method="POST", path="/v2/orders") == []
    # The server says the rest of a message whose sender is dead, and commits it.
    wait_until(lambda: not waiting_for_a_lock(), what="the end of the claim")
    let_the_leases_of_orders_run_out()

    assert_ended_well(cycle, market)


@both
def test_killed_between_the_claim_and_the_request(
    system: System, market: VenueProcess, start: Callable[[], Cycle], victim: str
) -> None:
    """It was counted with the claim and has not left: it is looked up, and posted once."""
    with ExitStack() as proofs:
        with held(f"SELECT pg_advisory_lock({SWITCH_LOCK})"):
            cycle = start()
            wait_until(
                lambda: Order.objects.filter(status=OrderStatus.CREATED).exists() and waiting_for_a_lock(),
                what="an order about to be claimed",
            )
            proofs.enter_context(held("LOCK TABLE kill_switch IN ACCESS EXCLUSIVE MODE"))
        wait_until(
            lambda: Order.objects.filter(status=OrderStatus.SUBMITTING, posts=1).exists(),
            what="an order that was claimed and not proved",
        )
        claimed = Order.objects.filter(status=OrderStatus.SUBMITTING, posts=1).values_list("pk", flat=True)[0]
        kill(system, "worker", victim)
        assert market.requests(method="POST", path="/v2/orders") == []

    let_the_leases_of_orders_run_out()

    assert_ended_well(cycle, market)
    order = Order.objects.get(pk=claimed)
    posts = market.requests(method="POST", path="/v2/orders", client_order_id=order.client_order_id)
    assert (order.status, order.posts, len(posts)) == (OrderStatus.FILLED, 2, 1)


@both
def test_killed_after_an_order_request(
    system: System, market: VenueProcess, start: Callable[[], Cycle], victim: str
) -> None:
    market.fault(kind="drip", route="POST /v2/orders", seconds=30, times=2)
    cycle = start()
    wait_until(lambda: market.get("/v2/orders?status=all"), what="an order at the venue")

    kill(system, "worker", victim)
    let_the_leases_of_orders_run_out()

    assert_ended_well(cycle, market)
    assert Order.objects.filter(status=OrderStatus.FILLED).exists()


@both
def test_killed_at_the_finish(
    system: System, market: VenueProcess, start: Callable[[], Cycle], victim: str
) -> None:
    AgentStatus.objects.update(mode=Mode.MANUAL)  # without orders the final sync is the only one
    with held("LOCK TABLE ai_decisions IN EXCLUSIVE MODE"):
        cycle = start()
        wait_until(waiting_for_a_lock, what="the insert of the decisions")
        market.fault(kind="latency", route="GET /v2/positions", seconds=4, times=1)
    wait_until(lambda: market.faults()[0]["hits"], what="the final sync")

    kill(system, "worker", victim)
    let_the_lease_run_out(cycle)

    assert_ended_well(cycle, market)


@pytest.mark.parametrize("stage", [CycleStage.FETCHING, CycleStage.EXECUTING])
def test_the_queue_emptied_in_mid_cycle(
    system: System, market: VenueProcess, start: Callable[[], Cycle], stage: CycleStage
) -> None:
    route = "POST /v2/orders"
    if stage == CycleStage.FETCHING:
        route = "GET /v2/stocks/snapshots"
        give_lost_fetches_up_soon()
    market.fault(kind="latency", route=route, seconds=1)
    cycle = start()
    wait_until(at_stage(cycle, stage), what=f"stage {stage}")

    with redis.Redis.from_url(settings.REDIS_URL) as queue:
        queue.flushdb()
    market.clear_faults()

    assert_ended_well(cycle, market)


def test_the_sweeper_killed_and_started_again(
    system: System, market: VenueProcess, start: Callable[[], Cycle]
) -> None:
    give_lost_fetches_up_soon()
    system.kill("sweeper")
    cycle = start()
    kill(system, "worker", WHOLE)
    system.start_one("sweeper")

    assert_ended_well(cycle, market)
