"""The order in which a cycle works, as values: each step does one piece of work, and returns what follows it.

Nothing is published here. ``trading.tasks`` publishes what a step returns to Celery; ``drive`` does the same steps in
one process, one after the other, always in the same order; ``do_here`` is for where the queue is away.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from trading.analysis.cycle_analysis import analyse_cycle
from trading.core.providers import current_providers
from trading.core.settings import read_once
from trading.core.trace_spans import note_cycle
from trading.cycle import cycles, fetch_parts, finishing, pausing
from trading.cycle.fetch_parts import Part
from trading.domain.statuses import CycleStage
from trading.errors import CycleRunningError, NotConfiguredError, SlotTakenError
from trading.models import Cycle
from trading.work import maintenance, steps

log = structlog.get_logger(__name__)
HERE_SECONDS = 15.0
Argument = str | int | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work: a name of ``FLOW``, and what its function is given, the id it is about first.

    ``cycle_id`` is for the log alone, where it is known: the cycle that the work belongs to.
    """

    name: str
    args: tuple[Argument, ...]
    cycle_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Fan:
    """Steps that may be done at the same time and in any order; ``then``, if any, follows once all have ended."""

    steps: tuple[Step, ...]
    then: Step | None


Follows = Step | Fan | None


def begin(cycle: Cycle) -> Step | None:
    """Return the first step of a cycle that was just stored; None where it was stored as aborted."""
    if not cycle.is_open:
        return None
    is_maintenance = cycle.cycle_type == Cycle.Type.MAINTENANCE
    return Step("maintain" if is_maintenance else "fan_out", (str(cycle.pk),))


def start_cycle(cycle_type: str = Cycle.Type.ANALYSIS) -> Follows:
    """Start the cycle of the current time slot; a second beat and a running cycle are no errors."""
    slotted = cycle_type == Cycle.Type.ANALYSIS
    try:
        current_providers()  # a venue that still starts: a cycle now would find no price at all
        cycle = cycles.start_cycle(cycle_type=cycle_type, trigger="schedule", slotted=slotted)
    except (SlotTakenError, CycleRunningError, NotConfiguredError) as reason:
        log.info("cycle_not_started", cycle_type=cycle_type, reason=str(reason))
        return None
    note_cycle(cycle.pk)
    with bound_contextvars(cycle_id=str(cycle.pk)):
        return begin(cycle)


def fan_out(cycle_id: str) -> Follows:
    """Claim the cycle's fetches, those that have not ended yet; the analysis follows them."""
    with read_once():
        cycle = fetch_parts.read_cycle(UUID(cycle_id))
        if not fetch_parts.claim(cycle):
            return None
        fetch_parts.note_wait(cycle)
        return Fan(fetches_of(cycle), Step("analyse", (str(cycle.pk),)))


def fetches_of(cycle: Cycle) -> tuple[Step, ...]:
    """Return the cycle's fetches in the order in which they are begun."""
    batch_count = fetch_parts.batch_count(cycle)
    return tuple(_fetch_of(str(cycle.pk), part, batch_count) for part in fetch_parts.unfinished(cycle))


def _fetch_of(cycle_id: str, part: Part, batch_count: int) -> Step:
    if part.kind == "stocks":
        return Step("fetch_stocks", (cycle_id, part.symbols, batch_count))
    if part.kind == "account":
        return Step("sync_account", (cycle_id,))
    return Step("fetch_news" if part.kind == "news" else "fetch_coins", (cycle_id, part.symbols))


def fetch_stocks(cycle_id: str, symbols: list[str], batch_count: int) -> None:
    """Fetch one batch of stocks."""
    steps.fetch_part(UUID(cycle_id), Part("stocks", tuple(symbols)), batch_count=batch_count)


def fetch_coins(cycle_id: str, symbols: list[str]) -> None:
    """Fetch the coins."""
    steps.fetch_part(UUID(cycle_id), Part("coins", tuple(symbols)))


def fetch_news(cycle_id: str, symbols: list[str]) -> None:
    """Fetch the headlines."""
    steps.fetch_part(UUID(cycle_id), Part("news", tuple(symbols)))


def sync_account(cycle_id: str) -> None:
    """Sync clock, account and positions."""
    steps.fetch_part(UUID(cycle_id), Part("account"))


def analyse(cycle_id: str, *, soft_limit: float | None = None) -> Follows:
    """Turn what was fetched into decisions; those that want to trade are judged next, all together.

    One that comes before the fetches have ended is not followed: the sweeper has an eye on them.

    Args:
        soft_limit: of the task that does it, in seconds; None: there is none.
    """
    with read_once():
        may_begin = fetch_parts.may_analyse(UUID(cycle_id))
    if not may_begin:
        return None
    pending = analyse_cycle(UUID(cycle_id), soft_limit=soft_limit)
    if pending is None:
        return None
    return Step("execute_batch" if pending else "finish_cycle", (cycle_id,))


def execute_batch(cycle_id: str, *, soon: Callable[[Follows], None] | None = None) -> Follows:
    """Judge the cycle's decisions in the stated order; the orders of those that passed leave side by side.

    Args:
        soon: is given orders that may leave while others are still judged; they are not among what follows then.
    """
    finish = Step("finish_cycle", (cycle_id,))
    leave = (lambda going_on: soon(Fan(_orders_of(going_on), None))) if soon else None
    orders = _orders_of(steps.execute_batch(cycle_id, leave))
    return Fan(orders, finish) if orders else finish


def _orders_of(going_on: Mapping[str, str]) -> tuple[Step, ...]:
    return tuple(Step("risk_and_execute", (pk,), cycle_id=theirs) for pk, theirs in going_on.items())


def risk_and_execute(decision_id: str) -> None:
    """Take one decision through the gate, where it has not been yet, and its order as far as the broker allows."""
    if steps.advance_decision(decision_id):  # as nearly all, for they were judged in a batch
        return
    saga_id = steps.execute(decision_id)
    if saga_id is not None:
        steps.advance(str(saga_id))


def advance_saga(saga_id: str) -> Follows:
    """Take a saga further; when it ends, and is the last of its cycle, that may be ready to."""
    saga = steps.advance(saga_id)
    if saga is None or not saga.ended_at or cycles.has_open_sagas(saga.cycle_id):
        return None
    return Step("finish_cycle", (str(saga.cycle_id),))


def follow_order(order_id: str) -> None:
    """Follow an order without a saga."""
    steps.follow(order_id)


def settle_order(order_id: str) -> None:
    """Settle an order that filled after its saga's end."""
    steps.settle(order_id)


def finish_cycle(cycle_id: str) -> None:
    """Complete the cycle if it is ready."""
    finishing.finish_cycle(UUID(cycle_id))


def resume_cycle(cycle_id: str) -> Follows:
    """Resume a paused cycle if the broker answers; what was being fetched is fetched again."""
    return after_resuming(cycle_id, pausing.resume_cycle(UUID(cycle_id)))


def after_resuming(cycle_id: str, stage: CycleStage | None) -> Follows:
    """Return what a resumed cycle goes on with; decisions that waited are found by the sweeper."""
    return Step("fan_out", (cycle_id,)) if stage == CycleStage.FETCHING else None


def maintain(cycle_id: str) -> None:
    """Run a maintenance cycle."""
    maintenance.maintain(UUID(cycle_id))


FLOW: Mapping[str, Callable[..., Follows]] = MappingProxyType(
    {
        step.__name__: step
        for step in (
            start_cycle,
            fan_out,
            fetch_stocks,
            fetch_coins,
            fetch_news,
            sync_account,
            analyse,
            execute_batch,
            risk_and_execute,
            advance_saga,
            follow_order,
            settle_order,
            finish_cycle,
            resume_cycle,
            maintain,
        )
    }
)


def run(step: Step) -> Follows:
    """Do one step; return what follows."""
    return FLOW[step.name](*step.args)


def drive(first: Follows, *, run: Callable[[Step], Follows] = run) -> int:
    """Do a step and all that follows it in this process, in one order that hangs on the values alone.

    What follows a step is done before the next of its fan, and ``then`` after all of them. What a step leaves for
    later (an order that has not filled) is in the database, for ``trading.work.sweeping.find_work``.

    Args:
        run: does one step, and returns what follows.

    Returns:
        How many steps were done.
    """
    ahead: deque[Follows] = deque([first])
    done = 0
    while ahead:
        follows = ahead.popleft()
        if isinstance(follows, Fan):
            ahead.extendleft(reversed((*follows.steps, follows.then)))
        elif follows is not None:
            done += 1
            ahead.appendleft(run(follows))
    return done


def do_here(step: Step) -> None:
    """Do a step and the steps of the fan it leads to; what follows those is found by the sweeper.

    Who does this has other work: no step of the fan begins after 15 s, and the sweeper finds what is left of it.
    """
    give_up_at = time.monotonic() + HERE_SECONDS
    follows = run(step)
    for each in follows.steps if isinstance(follows, Fan) else ():
        if time.monotonic() >= give_up_at:
            return
        run(each)
