"""Tasks take ids, call one service and enqueue what follows; here on a real queue with a real worker."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery.contrib.testing.worker import start_worker
from celery.signals import task_postrun
from django.db import connection
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orchestrator_project.celery import app
from tests.factories import make_agent, make_asset, make_cycle, make_engagement, make_strategy
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.scenes import ago, passed, wish
from tests.waiting import wait_until
from trading import flow, task_base, tasks
from trading.core.settings import set_runtime_setting
from trading.core.work import Work, WorkKind
from trading.cycle import cycles, fetching
from trading.domain.statuses import CycleStatus
from trading.flow import Step
from trading.market import headlines
from trading.models import AIDecision, Cycle, Event, MarketSnapshot, Order
from trading.work.sweeping import find_work


def _close_connection(**_: object) -> None:
    connection.close()  # else the worker's thread keeps the test database open


@pytest.fixture
def worker(queue: object, threaded_account: Outside) -> Iterator[Outside]:
    """A worker in a thread, on all queues."""
    with running_worker():
        yield threaded_account


@contextmanager
def running_worker() -> Iterator[None]:
    """Run a worker in a thread, on all queues, while the block runs."""
    task_postrun.connect(_close_connection)
    options: dict[str, Any] = {
        "queues": ["default", "orders", "analysis"],
        "pool": "solo",
        "perform_ping_check": False,
    }
    try:
        with start_worker(app, shutdown_timeout=30, **options):
            yield
    finally:
        task_postrun.disconnect(_close_connection)


def swept_until(condition: Callable[[], object], what: str) -> None:
    """Wait for the condition, reviving lost work meanwhile as the sweeper does."""
    revived: set[Work] = set()

    def sweep() -> object:
        for work in find_work():
            if work not in revived or work.kind is WorkKind.ADVANCE:
                revived.add(work)
                tasks.revive(work)
        return condition()

    wait_until(sweep, what=what)


def ended(cycle: Cycle) -> Cycle:
    swept_until(lambda: Cycle.objects.get(pk=cycle.pk).status != "running", what="the cycle ends")
    return Cycle.objects.get(pk=cycle.pk)


def test_cycle_runs_from_its_start_to_its_end(worker: Outside) -> None:
    make_strategy()
    make_asset(STOCK)
    make_asset(COIN)
    set_runtime_setting(name="confidence_threshold", value="0", actor="test")

    tasks.start_cycle.delay()

    wait_until(Cycle.objects.exists, what="the cycle starts")
    cycle = ended(Cycle.objects.get())
    assert (cycle.status, cycle.trigger) == (CycleStatus.COMPLETED, "schedule")
    assert set(cycle.symbols) == {STOCK, COIN}
    assert cycle.errors == []
    assert MarketSnapshot.objects.filter(cycle=cycle).count() == 2
    assert AIDecision.objects.filter(cycle=cycle).count() == 2
    assert len(worker.posts()) == Order.objects.count()


def test_message_of_an_order_says_which_cycle_it_is_of(
    worker: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = wish()
    looked_up: list[str] = []
    real = task_base.correlation_ids

    def look_up(name: str, pk: str) -> dict[str, str]:
        looked_up.append(name)
        return real(name, pk)

    monkeypatch.setattr(task_base, "correlation_ids", look_up)

    with capture_logs(processors=[merge_contextvars]) as logged:
        tasks.publish(Step("execute_batch", (str(decision.cycle_id),)))
        wait_until(lambda: worker.positions(), what="it is filled")
        done = lambda: [line for line in logged if line["event"] == "task_done"]  # noqa: E731
        wait_until(lambda: "risk_and_execute" in [line["task"] for line in done()], what="it is said")

    (line,) = (line for line in done() if line["task"] == "risk_and_execute")
    assert (line["decision_id"], line["cycle_id"]) == (str(decision.pk), str(decision.cycle_id))
    assert "decision_id" not in looked_up


def test_maintenance_runs_to_its_end(worker: Outside) -> None:
    tasks.start_cycle.delay("maintenance")

    wait_until(Cycle.objects.exists, what="the cycle starts")
    assert ended(Cycle.objects.get()).status == "completed"


def test_pending_decision_is_executed_and_its_cycle_finished(worker: Outside) -> None:
    set_runtime_setting(name="cycle_deadline", value="60", actor="test")
    decision = wish()

    tasks.revive(Work(WorkKind.EXECUTE, decision.pk))

    wait_until(lambda: AIDecision.objects.get().status == "executing", what="the order is sent")
    wait_until(lambda: worker.positions(), what="it is filled")
    assert ended(decision.cycle).status == "completed"
    swept_until(lambda: AIDecision.objects.get().status == "executed", what="the fill is booked")


def test_decision_is_judged_and_its_order_sent_in_one_task_of_the_orders_queue(
    account: Outside, queue: redis.Redis
) -> None:
    """One hop fewer; what waits for the broker still holds up no fetch."""
    decision = wish()

    tasks.risk_and_execute(str(decision.pk))

    assert Order.objects.get().acknowledged_at is not None
    assert (queue.llen("orders"), queue.llen("default")) == (0, 0)


def test_orders_with_nothing_behind_them_are_enqueued_each_with_its_cycle(
    account: Outside, queue: redis.Redis
) -> None:
    orders = [Step("risk_and_execute", (pk,), cycle_id="one") for pk in ("a", "b")]

    tasks.publish(flow.Fan(tuple(orders), None))

    headers = [json.loads(message)["headers"] for message in queue.lrange("orders", 0, -1)]
    assert sorted(each["argsrepr"] for each in headers) == ["('a',)", "('b',)"]
    assert {each["belongs_to_cycle"] for each in headers} == {"one"}


def test_order_leaves_on_the_spot_when_the_queue_cannot_be_reached(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = wish()

    def unreachable(*_: object) -> None:
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(tasks.advance_saga, "delay", unreachable)

    tasks.risk_and_execute(str(decision.pk))

    assert Order.objects.get().acknowledged_at is not None


@pytest.mark.parametrize(
    "task", [tasks.risk_and_execute, tasks.advance_saga, tasks.follow_order, tasks.settle_order]
)
def test_what_talks_to_the_broker_about_one_order_has_its_own_queue(task: Any) -> None:
    assert app.amqp.router.route({}, task.name)["queue"].name == "orders"


def test_second_beat_of_a_slot_is_no_error(account: Outside) -> None:
    make_cycle(status="running")

    tasks.start_cycle()

    assert Cycle.objects.count() == 1


def test_cycle_stored_aborted_is_not_launched(account: Outside, queue: redis.Redis) -> None:
    make_engagement()

    tasks.start_cycle()

    assert Cycle.objects.get().status == "aborted"
    assert queue.llen("default") == 0


def test_news_is_fetched_beside_prices_and_not_after_them(db: None) -> None:
    """With two processes and more tasks, what is published last begins when the others have ended."""
    cycle = make_cycle(symbols=["AAPL", "MSFT", "BTC/USD"], status="running")

    published = [step.name for step in flow.fetches_of(cycle)]

    assert published == ["fetch_news", "fetch_stocks", "fetch_coins", "sync_account"]


@pytest.mark.parametrize(
    "task", [tasks.fetch_stocks, tasks.fetch_coins, tasks.fetch_news, tasks.sync_account]
)
def test_header_task_never_raises(account: Outside, monkeypatch: pytest.MonkeyPatch, task: Any) -> None:
    """docs/lessons.md#lesson-13: what it raises is in the cycle's errors."""
    cycle = make_cycle(status="running")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("anything")

    for name in ("fetch_stocks", "fetch_coins", "fetch_account"):
        monkeypatch.setattr(fetching, name, fail)
    monkeypatch.setattr(headlines, "fetch_headlines", fail)
    arguments = {tasks.fetch_stocks: ([STOCK], 1), tasks.sync_account: ()}.get(task, ([STOCK],))

    task(str(cycle.pk), *arguments)

    cycle.refresh_from_db()
    assert [error["message"] for error in cycle.errors] == ["anything"]


def test_execution_that_fails_leaves_its_decision_to_the_sweeper(account: Outside) -> None:
    decision = wish()
    account.venue.fault(kind="error", route="*/activities/FILL")

    tasks.risk_and_execute(str(decision.pk))
    tasks.risk_and_execute(str(uuid4()))

    decision.refresh_from_db()
    assert decision.status == "executing"


def test_saga_that_has_to_wait_is_no_error(account: Outside) -> None:
    account.fill_never()
    saga = passed()
    tasks.advance_saga(str(saga.pk))
    account.venue.fault(kind="error", route="GET /v2/orders/*")

    tasks.advance_saga(str(saga.pk))

    saga.refresh_from_db()
    assert saga.status == "running"


def test_analysis_somebody_else_has_enqueues_nothing(account: Outside, queue: redis.Redis) -> None:
    cycle = make_cycle(status="running", stage="executing")

    tasks.analyse(str(cycle.pk))

    assert queue.llen("default") == 0


def test_work_is_done_on_the_spot_when_the_queue_cannot_be_reached(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = make_cycle(status="running", stage="executing")
    assert find_work() == [Work(WorkKind.FINISH, cycle.pk)]

    def unreachable(*_: object) -> None:
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(tasks.finish_cycle, "delay", unreachable)

    tasks.revive(Work(WorkKind.FINISH, cycle.pk))

    cycle.refresh_from_db()
    assert cycle.status == "completed"


def test_every_kind_of_work_has_its_task() -> None:
    assert {kind: task.name for kind, task in tasks.TASK_OF.items()} == {
        kind: f"trading.{kind.value}" for kind in WorkKind
    }


def test_approved_decisions_are_executed_by_an_execution_cycle(worker: Outside) -> None:
    make_agent(mode="manual")
    decision = wish(approved=True)
    cycles.complete_cycle(decision.cycle)

    tasks.start_cycle.delay("execution")

    wait_until(lambda: AIDecision.objects.get().status != "pending", what="the decision is executed")
    assert AIDecision.objects.get().status in ("claimed", "executing", "executed")
    newest = Cycle.objects.get(cycle_type="execution")
    assert ended(newest).status == "completed"


def test_an_analysis_that_comes_too_early_waits_for_what_is_still_being_fetched(
    threaded_account: Outside, queue: redis.Redis
) -> None:
    """Two workers that are busy elsewhere: the fetches wait in the queue for longer than they may take."""
    make_strategy()
    cycle = make_cycle(
        status="running", symbols=[STOCK, COIN], stage_at=ago(seconds=20), started_at=ago(seconds=20)
    )
    tasks.fan_out(str(cycle.pk))
    queued = queue.llen("fetch")
    tasks.fan_out(str(cycle.pk))
    assert (queue.llen("fetch"), queue.llen("default")) == (queued, 0) == (4, 0)

    revived = find_work()
    tasks.revive(revived[0])
    tasks.analyse(str(cycle.pk))

    assert [work.kind for work in revived] == [WorkKind.FETCH]
    cycle.refresh_from_db()
    assert cycle.stage == "fetching"
    assert (queue.llen("fetch"), queue.llen("default")) == (queued, 1)
    warnings = Event.objects.filter(aggregate_id=str(cycle.pk), type="cycle.warning")
    assert [row.payload["message"].partition(": ")[2] for row in warnings] == [
        "the headlines, the prices of 1 stocks, the prices of 1 coins, the account; asked for again,"
        " the analysis waits"
    ]
    with running_worker():
        wait_until(lambda: AIDecision.objects.filter(cycle=cycle).count() == 2, what="the decisions")
    assert set(AIDecision.objects.values_list("reason", flat=True)).isdisjoint({"no_price"})
    steps = Event.objects.filter(aggregate_id=str(cycle.pk), type__startswith="cycle.step.")
    fetched = [kind for kind in steps.values_list("type", flat=True) if kind != "cycle.step.analysis"]
    assert sorted(fetched) == [f"cycle.step.{name}" for name in ("account", "coins", "news", "stocks")]


def test_a_fetch_that_was_lost_is_done_on_the_spot_where_there_is_no_queue(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_strategy()
    cycle = make_cycle(status="running", symbols=[STOCK, COIN], stage_at=ago(seconds=20))

    def unreachable(*_: object) -> None:
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(tasks.fan_out, "delay", unreachable)

    tasks.revive(find_work()[0])

    assert MarketSnapshot.objects.filter(cycle=cycle).count() == 2
    assert find_work() == [Work(WorkKind.ANALYSE, cycle.pk)]


def test_an_analysis_says_what_it_was_begun_without(account: Outside, queue: redis.Redis) -> None:
    make_strategy()
    cycle = make_cycle(
        status="running", symbols=[STOCK, COIN], stage_at=ago(seconds=170), deadline_at=ago(seconds=-50)
    )
    fetching.fetch_account(cycle.pk)
    fetching.fetch_coins(cycle.pk, [COIN])

    tasks.analyse(str(cycle.pk))

    assert AIDecision.objects.get(symbol=STOCK).reason_detail == (
        "the fetch of its price had not ended when the analysis began"
    )
    warning = Event.objects.get(aggregate_id=str(cycle.pk), type="cycle.warning").payload["message"]
    assert re.fullmatch(
        r"begun without the headlines, the prices of 1 stocks: not ended after \d{3} s", warning
    ), warning


def test_the_message_for_an_analysis_has_limits_as_long_as_it_may_take(
    account: Outside, queue: redis.Redis
) -> None:
    cycle = make_cycle(status="running", stage="analysing", lease_until=ago(seconds=1))
    set_runtime_setting(name="cycle_interval", value="120", actor="test")
    set_runtime_setting(name="analysis_timeout", value="75", actor="test")

    tasks.revive(Work(WorkKind.ANALYSE, cycle.pk))

    message = json.loads(queue.lrange("analysis", 0, -1)[0])
    assert message["headers"]["timelimit"] == [90.0, 80.0]
