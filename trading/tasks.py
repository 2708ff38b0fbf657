"""Celery's side of the flow: each task does one step (``trading.flow``), and publishes what follows it.

Every task may arrive twice, at the same time, or never. A header task never raises: one failure would
replace the chord's body.
"""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec
from uuid import UUID

import structlog
from celery import Signature, Task, chord, current_task, shared_task
from django.db import transaction
from kombu.exceptions import OperationalError as QueueError
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from trading import flow
from trading.analysis.analysis_time import time_limits
from trading.core.correlation import correlation_ids
from trading.core.trace_spans import context_of_cycle, span
from trading.core.work import Work, WorkKind
from trading.domain.statuses import CycleStage
from trading.flow import Fan, Follows, Step
from trading.models import Cycle
from trading.task_base import CYCLE, resilient

P = ParamSpec("P")
log = structlog.get_logger(__name__)


def _task(step: Callable[P, Follows], *, soft: int, hard: int) -> Task[P, None]:
    """Return the task of a step; ``soft`` and ``hard`` are its time limits in seconds."""
    name = step.__name__

    @shared_task(name=f"trading.{name}", soft_time_limit=soft, time_limit=hard)
    @resilient(name)
    @wraps(step)
    def do(*args: P.args, **options: P.kwargs) -> None:
        publish(step(*args, **options))

    return do


@wraps(flow.analyse)
def _analyse(cycle_id: str) -> Follows:
    return flow.analyse(cycle_id, soft_limit=_soft_limit())


@wraps(flow.execute_batch)
def _execute_batch(cycle_id: str) -> Follows:
    return flow.execute_batch(cycle_id, soon=publish)


def _soft_limit() -> float | None:
    """Return the soft limit of the task that runs here, in seconds; None where it is called without a worker."""
    if not current_task or current_task.request.called_directly:
        return None
    _, soft = current_task.request.timelimit or (None, None)
    limit: float | None = soft or current_task.soft_time_limit
    return limit


def _do_here(kind: WorkKind, pk: str) -> None:
    flow.do_here(Step(kind.value, (pk,)))


start_cycle = _task(flow.start_cycle, soft=20, hard=30)
fan_out = _task(flow.fan_out, soft=20, hard=30)
fetch_stocks = _task(flow.fetch_stocks, soft=20, hard=30)
fetch_coins = _task(flow.fetch_coins, soft=20, hard=30)
fetch_news = _task(flow.fetch_news, soft=20, hard=30)
sync_account = _task(flow.sync_account, soft=20, hard=30)
analyse = _task(_analyse, soft=35, hard=45)  # a message brings its own, see ``_message``
execute_batch = _task(_execute_batch, soft=50, hard=55)
risk_and_execute = _task(flow.risk_and_execute, soft=50, hard=55)
advance_saga = _task(flow.advance_saga, soft=50, hard=55)
follow_order = _task(flow.follow_order, soft=50, hard=55)
settle_order = _task(flow.settle_order, soft=50, hard=55)
finish_cycle = _task(flow.finish_cycle, soft=40, hard=50)
resume_cycle = _task(flow.resume_cycle, soft=40, hard=50)
maintain = _task(flow.maintain, soft=110, hard=120)

_TASKS: dict[str, Task[..., None]] = {name: globals()[name] for name in flow.FLOW}
TASK_OF: dict[WorkKind, Task[..., None]] = {kind: _TASKS[kind.value] for kind in WorkKind}
# The same without enqueuing anything: what follows is found by the sweeper.
HERE: dict[WorkKind, Callable[[str], object]] = {kind: partial(_do_here, kind) for kind in WorkKind}
# What a piece of work's id is the id of.
ID_OF: dict[WorkKind, str] = {
    WorkKind.EXECUTE: "decision_id",
    WorkKind.ADVANCE: "saga_id",
    WorkKind.SETTLE: "order_id",
    WorkKind.FOLLOW: "order_id",
}


def launch(cycle: Cycle) -> None:
    """Put a cycle that was just stored to work, once its transaction is committed.

    One message only: the chord is published by a worker, because whoever publishes one subscribes to its
    results, and a command would wait for them when it ends.
    """
    first = flow.begin(cycle)
    transaction.on_commit(lambda: publish(first))


def execute_soon(decision_id: UUID) -> None:
    """Enqueue a decision that a person has answered."""
    transaction.on_commit(lambda: publish(Step("risk_and_execute", (str(decision_id),))))


def take_up(cycle_id: str, stage: CycleStage | None) -> None:
    """Enqueue what a resumed cycle goes on with."""
    publish(flow.after_resuming(cycle_id, stage))


def publish(follows: Follows) -> None:
    """Enqueue what follows a step; where the queue is away the sweeper finds it in PostgreSQL."""
    if follows is None:
        return
    try:
        _enqueue(follows)
    except (QueueError, RedisError) as error:
        log.warning("queue_unreachable", error_type=type(error).__name__, error=str(error))


def _enqueue(follows: Step | Fan) -> None:
    """Enqueue a step, or a fan: as a chord where something follows it.

    Raises:
        QueueError, RedisError: the queue cannot be reached.
    """
    if isinstance(follows, Fan):
        header = [_message(step) for step in follows.steps]
        if follows.then is None:
            for message in header:
                message.apply_async()
            return
        if header:
            chord(header)(_message(follows.then))
            return
        follows = follows.then
    step = follows
    if step.name == WorkKind.ANALYSE:
        _message(step).delay()
    else:
        _TASKS[step.name].delay(*step.args)


def _message(step: Step) -> Signature[Any]:
    """Return a step's message; that of an analysis has limits for as long as it may take by now."""
    message: Signature[Any] = _TASKS[step.name].si(*step.args)
    if step.name == WorkKind.ANALYSE:
        limits = time_limits()
        message.options.update(soft_time_limit=limits.soft, time_limit=limits.hard)
    if step.cycle_id:
        message.options["headers"] = {CYCLE: step.cycle_id}
    return message


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
        try:
            _enqueue(Step(work.kind.value, (str(work.id),)))
        except (QueueError, RedisError) as error:
            log.warning("queue_unreachable", kind=work.kind, id=str(work.id), error=str(error))
            HERE[work.kind](str(work.id))
