"""Celery's side: each task takes ids, calls one service, and enqueues what follows.

Every task may arrive twice, at the same time, or never. A header task never raises: one failure would
replace the chord's body.
"""

from collections.abc import Callable
from uuid import UUID

import structlog
from celery import Signature, Task, chord, current_task, shared_task
from django.db import transaction
from kombu.exceptions import OperationalError as QueueError
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from trading.analysis.analysis_time import time_limits
from trading.analysis.cycle_analysis import analyse_cycle
from trading.core.correlation import correlation_ids
from trading.core.providers import current_providers
from trading.core.trace_spans import context_of_cycle, note_cycle, span
from trading.core.work import Work, WorkKind
from trading.cycle import cycles, fetch_parts, finishing, pausing
from trading.cycle.fetch_parts import Part
from trading.domain.statuses import CycleStage
from trading.errors import CycleRunningError, NotConfiguredError, SlotTakenError
from trading.models import Cycle
from trading.task_base import resilient
from trading.work import maintenance, steps

log = structlog.get_logger(__name__)


def launch(cycle: Cycle) -> None:
    """Put a cycle that was just stored to work, once its transaction is committed.

    One message only: the chord is published by a worker, because whoever publishes one subscribes to its
    results, and a command would wait for them when it ends.
    """
    if cycle.is_open:
        task = maintain if cycle.cycle_type == Cycle.Type.MAINTENANCE else fan_out
        transaction.on_commit(lambda: _publish(lambda: task.delay(str(cycle.pk))))


@shared_task(name="trading.fan_out", soft_time_limit=20, time_limit=30)
@resilient("fan_out")
def fan_out(cycle_id: str) -> None:
    """Publish the cycle's fetches, those that have not ended yet, with the analysis behind them."""
    cycle = Cycle.objects.get(pk=cycle_id)
    if not fetch_parts.claim(cycle):
        return
    fetch_parts.note_wait(cycle)
    fetches, analysis = fetches_of(cycle), analysis_of(str(cycle.pk))
    _publish(lambda: chord(fetches)(analysis) if fetches else analysis.delay())


def fetches_of(cycle: Cycle) -> list[Signature[None]]:
    """Return the header of the cycle's chord, in the order in which it is published."""
    batch_count = fetch_parts.batch_count(cycle)
    return [_fetch_of(cycle, part, batch_count) for part in fetch_parts.unfinished(cycle)]


def _fetch_of(cycle: Cycle, part: Part, batch_count: int) -> Signature[None]:
    pk, symbols = str(cycle.pk), list(part.symbols)
    if part.kind == "news":
        return fetch_news.si(pk, symbols)
    if part.kind == "stocks":
        return fetch_stocks.si(pk, symbols, batch_count)
    return fetch_coins.si(pk, symbols) if part.kind == "coins" else sync_account.si(pk)


def analysis_of(cycle_id: str) -> Signature[None]:
    """Return the message for an analysis, with limits for as long as it may take by now."""
    limits = time_limits()
    asked: Signature[None] = analyse.si(cycle_id)
    asked.options.update(soft_time_limit=limits.soft, time_limit=limits.hard)
    return asked


@shared_task(name="trading.start_cycle", soft_time_limit=20, time_limit=30)
@resilient("start_cycle")
def start_cycle(cycle_type: str = Cycle.Type.ANALYSIS) -> None:
    """Start the cycle of the current time slot; a second beat and a running cycle are no errors."""
    slotted = cycle_type == Cycle.Type.ANALYSIS
    try:
        current_providers()  # a venue that still starts: a cycle now would find no price at all
        cycle = cycles.start_cycle(cycle_type=cycle_type, trigger="schedule", slotted=slotted)
    except (SlotTakenError, CycleRunningError, NotConfiguredError) as reason:
        log.info("cycle_not_started", cycle_type=cycle_type, reason=str(reason))
        return
    note_cycle(cycle.pk)
    with bound_contextvars(cycle_id=str(cycle.pk)):
        launch(cycle)


@shared_task(name="trading.fetch_stocks", soft_time_limit=20, time_limit=30)
@resilient("fetch_stocks")
def fetch_stocks(cycle_id: str, symbols: list[str], batch_count: int) -> None:
    """Fetch one batch of stocks."""
    steps.fetch_part(UUID(cycle_id), Part("stocks", tuple(symbols)), batch_count=batch_count)


@shared_task(name="trading.fetch_coins", soft_time_limit=20, time_limit=30)
@resilient("fetch_coins")
def fetch_coins(cycle_id: str, symbols: list[str]) -> None:
    """Fetch the coins."""
    steps.fetch_part(UUID(cycle_id), Part("coins", tuple(symbols)))


@shared_task(name="trading.fetch_news", soft_time_limit=20, time_limit=30)
@resilient("fetch_news")
def fetch_news(cycle_id: str, symbols: list[str]) -> None:
    """Fetch the headlines."""
    steps.fetch_part(UUID(cycle_id), Part("news", tuple(symbols)))


@shared_task(name="trading.sync_account", soft_time_limit=20, time_limit=30)
@resilient("sync_account")
def sync_account(cycle_id: str) -> None:
    """Sync clock, account and positions."""
    steps.fetch_part(UUID(cycle_id), Part("account"))


@shared_task(name="trading.analyse", soft_time_limit=35, time_limit=45)
@resilient("analyse")
def analyse(cycle_id: str) -> None:
    """Turn what was fetched into decisions and fan out those that want to trade.

    The limits are the default's; a message brings its own (``analysis_of``). One that comes before the fetches have
    ended is not followed: the sweeper has an eye on them.
    """
    if not fetch_parts.may_analyse(UUID(cycle_id)):
        return
    pending = analyse_cycle(UUID(cycle_id), soft_limit=_soft_limit())
    if pending is None:
        return
    finish = finish_cycle.si(cycle_id)
    if pending:
        _publish(lambda: chord([risk_and_execute.si(str(pk)) for pk in pending])(finish))
    else:
        _publish(finish.delay)


def _soft_limit() -> float | None:
    """Return the soft limit of the task that runs here, in seconds; None where it is called without a worker."""
    if not current_task or current_task.request.called_directly:
        return None
    _, soft = current_task.request.timelimit or (None, None)
    limit: float | None = soft or current_task.soft_time_limit
    return limit


@shared_task(name="trading.risk_and_execute", soft_time_limit=50, time_limit=55)
@resilient("risk_and_execute")
def risk_and_execute(decision_id: str) -> None:
    """Take one decision through the gate; its order leaves in a task of the orders' own queue."""
    saga_id = steps.execute(decision_id)
    if saga_id is not None:
        _hand_over(Work(WorkKind.ADVANCE, saga_id))


def execute_soon(decision_id: UUID) -> None:
    """Enqueue a decision that a person has answered."""
    transaction.on_commit(lambda: _publish(lambda: risk_and_execute.delay(str(decision_id))))


@shared_task(name="trading.advance_saga", soft_time_limit=50, time_limit=55)
@resilient("advance_saga")
def advance_saga(saga_id: str) -> None:
    """Take a saga further; when it ends, its cycle may be ready to."""
    saga = steps.advance(saga_id)
    if saga is not None and saga.ended_at is not None:
        _publish(lambda: finish_cycle.delay(str(saga.cycle_id)))


@shared_task(name="trading.follow_order", soft_time_limit=50, time_limit=55)
@resilient("follow_order")
def follow_order(order_id: str) -> None:
    """Follow an order without a saga."""
    steps.follow(order_id)


@shared_task(name="trading.settle_order", soft_time_limit=50, time_limit=55)
@resilient("settle_order")
def settle_order(order_id: str) -> None:
    """Settle an order that filled after its saga's end."""
    steps.settle(order_id)


@shared_task(name="trading.finish_cycle", soft_time_limit=40, time_limit=50)
@resilient("finish_cycle")
def finish_cycle(cycle_id: str) -> None:
    """Complete the cycle if it is ready."""
    finishing.finish_cycle(UUID(cycle_id))


@shared_task(name="trading.resume_cycle", soft_time_limit=40, time_limit=50)
@resilient("resume_cycle")
def resume_cycle(cycle_id: str) -> None:
    """Resume a paused cycle if the broker answers; what was being fetched is fetched again."""
    take_up(cycle_id, pausing.resume_cycle(UUID(cycle_id)))


def take_up(cycle_id: str, stage: CycleStage | None) -> None:
    """Enqueue what a resumed cycle goes on with; decisions that waited are found by the sweeper."""
    if stage == CycleStage.FETCHING:
        _publish(lambda: fan_out.delay(cycle_id))


@shared_task(name="trading.maintain", soft_time_limit=110, time_limit=120)
@resilient("maintain")
def maintain(cycle_id: str) -> None:
    """Run a maintenance cycle."""
    maintenance.maintain(UUID(cycle_id))


def _publish(enqueue: Callable[[], object]) -> None:
    """Enqueue what follows; where the queue is away the sweeper finds it in PostgreSQL."""
    try:
        enqueue()
    except (QueueError, RedisError) as error:
        log.warning("queue_unreachable", error_type=type(error).__name__, error=str(error))


TASK_OF: dict[WorkKind, Task[[str], None]] = {
    WorkKind.FETCH: fan_out,
    WorkKind.ANALYSE: analyse,
    WorkKind.MAINTAIN: maintain,
    WorkKind.EXECUTE: risk_and_execute,
    WorkKind.ADVANCE: advance_saga,
    WorkKind.FINISH: finish_cycle,
    WorkKind.RESUME: resume_cycle,
    WorkKind.SETTLE: settle_order,
    WorkKind.FOLLOW: follow_order,
}
# The same without enqueuing anything: what follows is found by the sweeper.
HERE: dict[WorkKind, Callable[[str], object]] = {
    WorkKind.FETCH: steps.fetch,
    WorkKind.ANALYSE: lambda pk: analyse_cycle(UUID(pk)),
    WorkKind.MAINTAIN: lambda pk: maintenance.maintain(UUID(pk)),
    WorkKind.EXECUTE: steps.execute_and_advance,
    WorkKind.ADVANCE: steps.advance,
    WorkKind.FINISH: lambda pk: finishing.finish_cycle(UUID(pk)),
    WorkKind.RESUME: lambda pk: pausing.resume_cycle(UUID(pk)),
    WorkKind.SETTLE: steps.settle,
    WorkKind.FOLLOW: steps.follow,
}


# What a piece of work's id is the id of.
ID_OF: dict[WorkKind, str] = {
    WorkKind.EXECUTE: "decision_id",
    WorkKind.ADVANCE: "saga_id",
    WorkKind.SETTLE: "order_id",
    WorkKind.FOLLOW: "order_id",
}


def revive(work: Work) -> None:
    """Enqueue a piece of work again; where the queue cannot be reached, do it here.

    Its log lines carry the ids of its cycle, and its spans belong to the cycle's trace.
    """
    ids = correlation_ids(ID_OF.get(work.kind, "cycle_id"), str(work.id))
    with (
        bound_contextvars(**ids),
        span("revive", context=context_of_cycle(ids.get("cycle_id")), kind=work.kind.value),
    ):
        log.info("revived", kind=work.kind, id=str(work.id))
        _hand_over(work)


def _hand_over(work: Work) -> None:
    """Enqueue a piece of work; where the queue cannot be reached, do it here."""
    try:
        if work.kind is WorkKind.ANALYSE:
            analysis_of(str(work.id)).delay()
        else:
            TASK_OF[work.kind].delay(str(work.id))
    except (QueueError, RedisError) as error:
        log.warning("queue_unreachable", kind=work.kind, id=str(work.id), error=str(error))
        HERE[work.kind](str(work.id))
