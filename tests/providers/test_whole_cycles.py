"""Real processes on the providers' own addresses: what they ask, in which order, and that one order holds no other."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.db import transaction
from pytest_django import Settings

from ai.domain.prompt import read_facts
from orchestrator_project.runtime.prepare import seed
from tests.e2e.system import System
from tests.e2e.truth import wait_for_rest
from tests.factories import make_cycle, make_decision
from tests.providers.conftest import configured
from tests.providers.stub import ProviderStub
from tests.trading.scenes import ago, change, order_of, passed
from tests.waiting import wait_until
from trading import tasks
from trading.cycle.cycles import start_cycle
from trading.execution.portfolio import sync_portfolio
from trading.market.assets import refresh_assets
from trading.models import AgentStatus, Cycle, Mode, Order, Trade

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
BOUGHT = ("AAPL", "BTC/USD")
HANGING, NEXT = ("AAPL", "AMZN", "GOOG", "MSFT"), "NVDA"


def buy_some(body: dict[str, Any]) -> str:
    """Decide to buy some symbols and to hold the rest."""
    decided = [
        {
            "symbol": fact["symbol"],
            "action": "buy" if fact["symbol"] in BOUGHT else "hold",
            "confidence": 0.9,
            "reasoning": "It rises.",
        }
        for fact in read_facts(body["messages"])["symbols"]
    ]
    return json.dumps({"decisions": decided})


@pytest.fixture
def system(transactional_db: None, stub: ProviderStub, settings: Settings) -> Iterator[System]:
    """Workers, analyst, sweeper and listener with the stub as their world, by their environment alone."""
    stub.decide = buy_some
    configured(stub, settings, with_keys=True)
    seed()
    AgentStatus.objects.update(mode=Mode.AUTONOMOUS)
    sync_portfolio(None)
    refresh_assets()
    stub.noted.clear()
    home = Path(tempfile.mkdtemp(prefix="sys-", dir=django_settings.ENVIRONMENT.orchestrator_home))
    with redis.Redis.from_url(django_settings.REDIS_URL) as queue:
        queue.flushdb()
    system = System(home, variables=stub.environment())
    system.start()
    yield system
    system.stop()
    shutil.rmtree(home, ignore_errors=True)


def run_cycle() -> Cycle:
    """Start a cycle as the console does, and return it."""
    cycle = start_cycle(trigger="test")
    tasks.launch(cycle)
    return cycle


def has_ended(cycle: Cycle) -> bool:
    cycle.refresh_from_db()
    return not cycle.is_open


def test_a_cycle_asks_the_providers_for_what_they_have_and_no_more(
    system: System, stub: ProviderStub
) -> None:
    let_news_come = stub.hold("news", times=1)
    cycle = run_cycle()
    wait_until(lambda: stub.asked("news"), what="headlines are asked for")

    # Beside the headlines, which have not come: both workers are at it.
    wait_until(lambda: stub.asked("stocks") and stub.asked("coins"), what="prices are asked for")
    assert not stub.asked("model")
    let_news_come()
    wait_until(lambda: has_ended(cycle), what="the cycle ends")
    wait_for_rest()

    assert (cycle.status, cycle.errors) == ("completed", [])
    # What protects them is posted beside, by the sweeper: this stub tells of no legs.
    assert len([post for post in stub.asked("post") if post.body["type"] == "market"]) == len(BOUGHT)
    assert set(Trade.objects.values_list("symbol", flat=True)) == set(BOUGHT)
    assert stub.account.held().keys() == set(BOUGHT)
    assert len(stub.asked("model")) == 1


def test_orders_whose_look_up_hangs_do_not_hold_the_next_one(system: System, stub: ProviderStub) -> None:
    with transaction.atomic():  # the sweeper finishes a cycle that has no decision under way
        cycle = make_cycle(status="running", stage="executing")
        holder = make_decision(cycle=cycle, status="claimed", lease_until=ago(seconds=-40))
    sagas = [passed(symbol, cycle=cycle) for symbol in (*HANGING, NEXT)]
    holder.delete()
    stub.hold("look-up")
    for saga in sagas[:-1]:
        change(order_of(saga), status="unknown", submitted_at=ago(seconds=1))
    Order.objects.filter(status="created").update(created_at=ago())

    for saga in sagas:
        tasks.advance_saga.delay(str(saga.pk))
    wait_until(lambda: order_of(sagas[-1]).acknowledged_at is not None, what="the next order is taken")

    [post] = stub.asked("post")
    assert post.body["symbol"] == NEXT
    assert len([request for request in stub.asked("look-up") if request.at < post.at]) < 2 * len(HANGING)

    stub.clear()
    wait_for_rest(seconds=150)
    assert len(stub.asked("post")) == len({post.body["client_order_id"] for post in stub.asked("post")})
