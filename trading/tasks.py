"""Celery's side: each task takes ids, calls one service, and enqueues what follows.

Every task may arrive twice, at the same time, or never. A header task never raises: one failure would
replace the chord's body.
"""

from collections.abc import Callable
from uuid import UUID

import structlog
from celery import Task, chord, shared_task
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from connectors.errors import ConnectorError
from trading.errors import CycleRunningError, NotConfiguredError, SlotTakenError, TradingError
from trading.models import Cycle
from trading.services import cycles, execution, fetching, finishing, maintenance, sagas
from trading.services.analysis import analyse_cycle
from trading.services.providers import current_providers
from trading.services.sweeping import Kind, Work

log = structlog.get_logger(__name__)


def launch(cycle: Cycle) -> None:
    """Put a cycle that was just stored to work, once its transaction is committed.

    One message only: the chord is published by a worker, because whoever publishes one subscribes to its
    results, and a command would wait for them when it ends.
    """
    if cycle.is_open:
        task = maintain if cycle.cycle_type == Cycle.Type.MAINTENANCE else fan_out
        transaction.on_commit(lambda: task.delay(str(cycle.pk)))


@shared_task(name="trading.fan_out", soft_time_limit=20, time_limit=30)
def fan_out(cycle_id: str) -> None:
    """Publish the cycle's fetches, with the analysis behind them."""
    cycle = Cycle.objects.get(pk=cycle_id)
    pk = str(cycle.pk)
    batches = list(fetching.stock_batches(cycle.symbols))
    coins = [s for s in cycle.symbols if "/" in s]
    header = [fetch_stocks.si(pk, list(batch), len(batches)) for batch in batches]
    header += [fetch_coins.si(pk, coins)] if coins else []
    header += [fetch_news.si(pk, list(cycle.symbols))] if cycle.symbols else []
    header.append(sync_account.si(pk))
    chord(header)(analyse.si(pk))


@shared_task(name="trading.start_cycle", soft_time_limit=20, time_limit=30)
def start_cycle(cycle_type: str = Cycle.Type.ANALYSIS) -> None:
    """Start the cycle of the current time slot; a second beat and a running cycle are no errors."""
    slotted = cycle_type == Cycle.Type.ANALYSIS
    try:
        current_providers()  # a venue that still starts: a cycle now would find no price at all
        cycle = cycles.start_cycle(cycle_type=cycle_type, trigger="schedule", slotted=slotted)
    except (SlotTakenError, CycleRunningError, NotConfiguredError) as reason:
        log.info("cycle_not_started", cycle_type=cycle_type, reason=str(reason))
        return
    launch(cycle)


def _guarded(cycle_id: str, operation: str, work: Callable[[], object]) -> None:
    """Run a header task's work; whatever it raises goes to the cycle's errors."""
    try:
        work()
    except Exception as error:
        log.exception("fetch_failed", cycle_id=cycle_id, operation=operation)
        cycles.record_error(UUID(cycle_id), operation=operation, error=error)


@shared_task(name="trading.fetch_stocks", soft_time_limit=20, time_limit=30)
def fetch_stocks(cycle_id: str, symbols: list[str], batch_count: int) -> None:
    """Fetch one batch of stocks."""
    _guarded(
        cycle_id,
        "fetch_stocks",
        lambda: fetching.fetch_stocks(UUID(cycle_id), symbols, batch_count=batch_count),
    )


@shared_task(name="trading.fetch_coins", soft_time_limit=20, time_limit=30)
def fetch_coins(cycle_id: str, symbols: list[str]) -> None:
    """Fetch the coins."""
    _guarded(cycle_id, "fetch_coins", lambda: fetching.fetch_coins(UUID(cycle_id), symbols))


@shared_task(name="trading.fetch_news", soft_time_limit=20, time_limit=30)
def fetch_news(cycle_id: str, symbols: list[str]) -> None:
    """Fetch the headlines."""
    _guarded(cycle_id, "fetch_news", lambda: fetching.fetch_news(UUID(cycle_id), symbols))


@shared_task(name="trading.sync_account", soft_time_limit=20, time_limit=30)
def sync_account(cycle_id: str) -> None:
    """Sync clock, account and positions."""
    _guarded(cycle_id, "sync_account", lambda: fetching.fetch_account(UUID(cycle_id)))


@shared_task(name="trading.analyse", soft_time_limit=35, time_limit=45)
def analyse(cycle_id: str) -> None:
    """Turn what was fetched into decisions and fan out those that want to trade."""
    pending = analyse_cycle(UUID(cycle_id))
    if pending is None:
        return
    finish = finish_cycle.si(cycle_id)
    if pending:
        chord([risk_and_execute.si(str(pk)) for pk in pending])(finish)
    else:
        finish.delay()


@shared_task(name="trading.risk_and_execute", soft_time_limit=50, time_limit=55)
def risk_and_execute(decision_id: str) -> None:
    """Take one decision through the gate and its order as far as the broker allows."""
    try:
        saga_id = execution.execute_decision(UUID(decision_id))
        if saga_id is not None:
            sagas.advance_saga(saga_id)
    except (ConnectorError, TradingError) as error:
        log.warning("execution_waits", decision_id=decision_id, error=str(error))
    except Exception:
        log.exception("execution_failed", decision_id=decision_id)


@shared_task(name="trading.advance_saga", soft_time_limit=50, time_limit=55)
def advance_saga(saga_id: str) -> None:
    """Take a saga further; when it ends, its cycle may be ready to."""
    try:
        saga = sagas.advance_saga(UUID(saga_id))
    except (ConnectorError, TradingError) as error:
        log.warning("saga_waits", saga_id=saga_id, error=str(error))
        return
    if saga.ended_at is not None:
        finish_cycle.delay(str(saga.cycle_id))


@shared_task(name="trading.finish_cycle", soft_time_limit=40, time_limit=50)
def finish_cycle(cycle_id: str) -> None:
    """Complete the cycle if it is ready."""
    finishing.finish_cycle(UUID(cycle_id))


@shared_task(name="trading.maintain", soft_time_limit=110, time_limit=120)
def maintain(cycle_id: str) -> None:
    """Run a maintenance cycle."""
    maintenance.maintain(UUID(cycle_id))


TASK_OF: dict[Kind, Task[[str], None]] = {
    Kind.ANALYSE: analyse,
    Kind.MAINTAIN: maintain,
    Kind.EXECUTE: risk_and_execute,
    Kind.ADVANCE: advance_saga,
    Kind.FINISH: finish_cycle,
}


def revive(work: Work) -> None:
    """Enqueue a piece of work again; where the queue cannot be reached, do it here."""
    task = TASK_OF[work.kind]
    try:
        task.delay(str(work.id))
    except (OperationalError, RedisError) as error:
        log.warning("queue_unreachable", kind=work.kind, id=str(work.id), error=str(error))
        task.run(str(work.id))
