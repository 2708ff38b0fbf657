"""140 decisions and the processes that execute them at once."""

import multiprocessing
import os
from collections.abc import Sequence
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from uuid import UUID

from django.db import connections
from uuid6 import uuid7

from connectors.errors import ConnectorError
from tests.factories import make_cycle, make_decision, make_snapshot, make_strategy
from tests.trading.scenes import ago
from trading.core import providers
from trading.core.providers import current_providers
from trading.errors import TradingError
from trading.execution import decision_execution, sagas
from trading.market.market_time import market_now
from trading.models import AIDecision, Asset, Cycle, Saga

SYMBOLS = 140
PROCESSES = multiprocessing.get_context("fork")
END_SECONDS = 600  # of a machine with other work


def crowd(size_percent: Decimal, *, coins: int) -> list[UUID]:
    """Write one wish to buy for each of 140 symbols with a price, in the running cycle; return their ids."""
    cycle = Cycle.objects.open().get()
    strategy = make_strategy(size_percent=size_percent)
    sources = current_providers()
    wanted = []
    for asset_class, source, count in (
        ("stock", sources.stock_quotes[0], SYMBOLS - coins),
        ("crypto", sources.coin_quotes[0], coins),
    ):
        symbols = Asset.objects.filter(asset_class=asset_class, tradable=True).values_list("pk", flat=True)
        wanted += list(source.quotes(list(symbols[:count])).items() if count else ())
    for symbol, quote in wanted:
        make_snapshot(cycle=cycle, symbol=symbol, price=quote.price, quoted_at=market_now())
    return [
        make_decision(cycle=cycle, symbol=symbol, strategy=strategy, price=quote.price).pk
        for symbol, quote in wanted
    ]


def running_cycle() -> Cycle:
    """Write a cycle in which decisions are executed, with time to spare."""
    Cycle.objects.open().update(status="completed", stage="ended", ended_at=ago(seconds=0))
    return make_cycle(pk=uuid7(), status="running", stage="executing", deadline_at=ago(seconds=-600))


def execute_at_once(decisions: Sequence[UUID], *, processes: int) -> None:
    """Have real processes execute the decisions, all starting together, and take every saga to its end."""
    connections.close_all()
    barrier = PROCESSES.Barrier(processes)
    running = [
        PROCESSES.Process(target=_work, args=(list(decisions[number::processes]), barrier))
        for number in range(processes)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join(END_SECONDS)
        if process.exitcode is None:
            process.kill()
        assert process.exitcode == 0, f"a worker process ended with {process.exitcode}"


def _work(decisions: Sequence[UUID], barrier: Barrier) -> None:
    """Be one worker: a connection and a broker session of its own."""
    code = 1
    try:
        connections.close_all()
        providers._build.cache_clear()
        barrier.wait(END_SECONDS)
        for decision_id in decisions:
            saga_id = decision_execution.execute_decision(decision_id)
            if saga_id is not None:
                _advance(saga_id)
        code = 0
    finally:
        connections.close_all()
        os._exit(code)  # the parent's fixtures and engines are not the child's to end


def _advance(saga_id: UUID) -> None:
    try:
        sagas.advance_saga(saga_id)
    except (ConnectorError, TradingError):
        return  # taken up again at the end, as the sweeper does


def settle() -> None:
    """Advance what is still open, as the sweeper does."""
    for saga_id in Saga.objects.open().values_list("pk", flat=True):
        _advance(saga_id)


def reasons(decisions: Sequence[UUID]) -> dict[str, int]:
    """Count the decisions by why they did not trade ("" for those that did)."""
    found: dict[str, int] = {}
    for reason in AIDecision.objects.filter(pk__in=decisions).values_list("reason", flat=True):
        found[reason] = found.get(reason, 0) + 1
    return found
