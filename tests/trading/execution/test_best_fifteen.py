"""62 decisions for 15 places, and eight workers: the 15 are the best, however the messages arrive."""

import os
import random
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from uuid import UUID

import pytest
from django.db import connections

from risk.models import RiskReservation
from tests.factories import (
    make_agent,
    make_asset,
    make_cycle,
    make_decision,
    make_equity,
    make_limits,
    make_position,
    make_snapshot,
    make_strategy,
)
from tests.trading.execution.crowd import END_SECONDS, PROCESSES
from tests.trading.scenes import ago
from trading import flow
from trading.execution.decision_execution import execute_decision
from trading.flow import Fan
from trading.models import AIDecision, Cycle, Order, Strategy

pytestmark = [pytest.mark.system, pytest.mark.timeout(3600), pytest.mark.django_db(transaction=True)]
WORKERS, PENDING, PLACES, HELD = 8, 62, 15, 2
RUNS, RUNS_OF_THE_LONG_FORM = 3, 20


def test_the_best_fifteen_get_the_fifteen_places(request: pytest.FixtureRequest) -> None:
    """Exits first, which are two; then the thirteen surest, by symbol where they are equally sure."""
    strategy = begin()
    for run in range(RUNS_OF_THE_LONG_FORM if request.config.getoption("--long") else RUNS):
        cycle_id = write(run, strategy)
        wanted = list(AIDecision.objects.filter(cycle_id=cycle_id))
        entries = sorted((d for d in wanted if d.action == "buy"), key=lambda d: (-d.confidence, d.symbol))
        best = {d.symbol for d in entries[: PLACES - HELD]} | {d.symbol for d in wanted if d.action == "sell"}

        deliver_to_all(cycle_id)

        orders = Order.objects.filter(cycle_id=cycle_id).values_list("symbol", flat=True)
        assert sorted(orders) == sorted(best), f"run {run}"
        denied = AIDecision.objects.filter(cycle_id=cycle_id, status="denied").values_list(
            "reason", flat=True
        )
        assert list(denied) == ["max_positions_reached"] * (PENDING - PLACES)


def begin() -> Strategy:
    """Write an account that holds two positions, and room for thirteen more."""
    now = ago()
    make_agent(mode="autonomous", market_time=now, market_time_read_at=now, market_open=True)
    make_limits(max_positions=PLACES, max_exposure_percent=Decimal(90))
    for number in range(HELD):
        make_position(f"HELD{number}", quantity=Decimal(3))
    for symbol in symbols():
        make_asset(symbol)
    return make_strategy(size_percent=Decimal(1))


def symbols() -> list[str]:
    return [f"HELD{number}" for number in range(HELD)] + [f"S{number:02}" for number in range(PENDING - HELD)]


def write(run: int, strategy: Strategy) -> UUID:
    """Write a cycle's decisions in an order that says nothing of how sure they are, several as sure as others."""
    Order.objects.update(status="canceled")
    RiskReservation.objects.update(released_at=ago(), release_reason="test")
    Cycle.objects.open().update(status="completed", stage="ended", ended_at=ago())
    now = ago()
    make_agent(market_time=now, market_time_read_at=now)
    make_equity(equity=Decimal(100_000), buying_power=Decimal(100_000))
    cycle = make_cycle(status="running", stage="executing", deadline_at=ago(seconds=-900))
    chance = random.Random(run)
    for symbol in chance.sample(symbols(), PENDING):
        make_snapshot(cycle=cycle, symbol=symbol, previous_close=Decimal(100), quoted_at=now)
        make_decision(
            cycle=cycle,
            symbol=symbol,
            strategy=strategy,
            action="sell" if symbol.startswith("HELD") else "buy",
            confidence=Decimal(chance.choice(("0.71", "0.8", "0.85", "0.9", "0.95"))),
        )
    return cycle.pk


def deliver_to_all(cycle_id: UUID) -> None:
    """Have eight processes be given the batch at once, and what follows it; as a queue may, at the worst."""
    connections.close_all()
    barrier = PROCESSES.Barrier(WORKERS)
    workers = [PROCESSES.Process(target=_work, args=(str(cycle_id), barrier)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(END_SECONDS)
        if worker.exitcode is None:
            worker.kill()
        assert worker.exitcode == 0, f"a worker ended with {worker.exitcode}"


def _work(cycle_id: str, barrier: Barrier) -> None:
    code = 1
    try:
        connections.close_all()
        barrier.wait(END_SECONDS)
        follows = flow.execute_batch(cycle_id)
        for step in follows.steps if isinstance(follows, Fan) else ():
            assert (
                execute_decision(UUID(str(step.args[0]))) is not None
            )  # its open saga, the order's way to the broker
        code = 0
    finally:
        connections.close_all()
        os._exit(code)  # the parent's fixtures and engines are not the child's to end
