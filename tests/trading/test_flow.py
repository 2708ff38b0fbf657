"""What follows a step is a value: workers publish it, a driver does it; the same becomes of a cycle."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import redis

from tests.factories import make_asset, make_cycle, make_engagement, make_strategy
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, WHOLE_STOCK, Outside
from tests.trading.scenes import passed, wish
from tests.trading.test_tasks import running_worker, swept_until
from trading import flow, tasks
from trading.core.settings import set_runtime_setting
from trading.core.work import WorkKind
from trading.cycle import cycles
from trading.execution import gate_passage
from trading.execution.portfolio import sync_portfolio
from trading.flow import FLOW, Fan, Follows, Step, drive
from trading.models import AIDecision, Cycle, Order, Saga, Trade
from trading.work.sweeping import find_work

# Everything trades, and no wait ends before a busy machine has done its work.
PATIENT = {
    "confidence_threshold": "0",
    "cycle_interval": "900",
    "cycle_deadline": "900",
    "price_max_age": "900",
    "analysis_timeout": "600",
}


def test_a_fan_is_done_in_order_and_what_follows_a_step_comes_before_the_next() -> None:
    follows: dict[str, Follows] = {
        "first": Fan((Step("a", ("1",)), Step("b", ())), Step("then", ())),
        "a": Step("after a", ()),
    }
    done: list[Step] = []

    def run(step: Step) -> Follows:
        done.append(step)
        return follows.get(step.name)

    assert drive(Step("first", ()), run=run) == 5
    assert [step.name for step in done] == ["first", "a", "after a", "b", "then"]
    assert drive(None) == 0


def test_every_step_has_its_task_and_every_kind_of_work_is_a_step() -> None:
    assert {f"trading.{name}" for name in FLOW} == {getattr(tasks, name).name for name in FLOW}
    assert {kind.value for kind in WorkKind} <= FLOW.keys()


def test_fetches_are_a_fan_with_the_analysis_behind_it(db: None) -> None:
    cycle = make_cycle(symbols=["AAPL", "MSFT", "BTC/USD"], status="running")
    pk = str(cycle.pk)

    follows = flow.fan_out(pk)

    assert follows == Fan(
        (
            Step("fetch_news", (pk, ("AAPL", "MSFT", "BTC/USD"))),
            Step("fetch_stocks", (pk, ("AAPL", "MSFT"), 1)),
            Step("fetch_coins", (pk, ("BTC/USD",))),
            Step("sync_account", (pk,)),
        ),
        Step("analyse", (pk,)),
    )
    assert flow.fan_out(pk) is None


def test_orders_of_a_batch_are_a_fan_with_the_finish_behind_it(account: Outside) -> None:
    decision = wish()
    cycle_id = str(decision.cycle_id)

    assert flow.execute_batch(cycle_id) == Fan(
        (Step("risk_and_execute", (str(decision.pk),)),), Step("finish_cycle", (cycle_id,))
    )
    assert flow.execute_batch(cycle_id) == Step("finish_cycle", (cycle_id,))
    assert account.posts() == []


def test_orders_that_may_leave_soon_are_a_fan_with_nothing_behind_it(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_passage, "CHUNK", 1)
    surest, other = wish(STOCK, confidence=Decimal("0.99")), wish(COIN, confidence=Decimal("0.9"))
    cycle_id, soon = str(surest.cycle_id), list[Follows]()

    last = flow.execute_batch(cycle_id, soon=soon.append)

    assert soon == [Fan((Step("risk_and_execute", (str(surest.pk),)),), None)]
    assert last == Fan((Step("risk_and_execute", (str(other.pk),)),), Step("finish_cycle", (cycle_id,)))
    assert drive(Fan((), None)) == 0


def test_a_batch_that_fails_as_a_whole_leaves_each_to_be_judged_alone(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = wish(STOCK), wish(COIN)

    def fail(*_: object) -> None:
        raise RuntimeError("anything")

    monkeypatch.setattr("trading.execution.decision_execution.execute_batch", fail)

    follows = flow.execute_batch(str(first.cycle_id))

    assert isinstance(follows, Fan)
    assert {step.args for step in follows.steps} == {(str(first.pk),), (str(second.pk),)}
    assert {step.name for step in follows.steps} == {"risk_and_execute"}


def test_saga_that_has_ended_is_followed_by_its_cycles_finish(account: Outside) -> None:
    saga = passed()

    follows = flow.advance_saga(str(saga.pk))

    saga.refresh_from_db()
    expected = Step("finish_cycle", (str(saga.cycle_id),)) if saga.ended_at else None
    assert follows == expected


def test_cycle_stored_aborted_begins_with_nothing(account: Outside) -> None:
    make_engagement()
    cycle = cycles.start_cycle(cycle_type="analysis", trigger="test", slotted=False)

    assert flow.begin(cycle) is None


def by_workers(cycle: Cycle) -> None:
    with running_worker():
        tasks.launch(cycle)
        swept_until(lambda: is_over(cycle), what="the cycle and its sagas end")


def by_the_driver(cycle: Cycle) -> None:
    drive(flow.begin(cycle))
    while not is_over(cycle):
        for work in find_work():
            drive(Step(work.kind.value, (str(work.id),)))


def is_over(cycle: Cycle) -> bool:
    has_ended = Cycle.objects.get(pk=cycle.pk).status == "completed"
    return has_ended and not Saga.objects.open().exists()


@pytest.mark.timeout(900)
def test_a_cycle_is_the_same_by_workers_and_by_the_driver(
    threaded_account: Outside,
    queue: redis.Redis,
) -> None:
    make_strategy()
    for symbol in (STOCK, OTHER_STOCK, WHOLE_STOCK, COIN):
        make_asset(symbol)
    for name, value in PATIENT.items():
        set_runtime_setting(name=name, value=value, actor="test")

    workers = rows_of_a_cycle(threaded_account, by_workers)
    driver = rows_of_a_cycle(threaded_account, by_the_driver)

    assert driver == workers
    assert any(row["order"] for row in driver.values()), "a cycle that trades nothing compares nothing"


def rows_of_a_cycle(market: Outside, run: Callable[[Cycle], None]) -> dict[str, Any]:
    """Begin with nothing held, run a cycle, and return what became of it by symbol."""
    market.sell_everything()
    sync_portfolio(None)
    cycle = cycles.start_cycle(cycle_type="analysis", trigger="test", slotted=False)
    run(cycle)
    decisions = AIDecision.objects.filter(cycle=cycle).order_by("symbol")
    assert Cycle.objects.get(pk=cycle.pk).errors == []
    return {decision.symbol: _rows_of(decision) for decision in decisions}


def _rows_of(decision: AIDecision) -> dict[str, Any]:
    order, trade = (model.objects.filter(decision=decision).first() for model in (Order, Trade))
    saga = Saga.objects.filter(decision=decision).first()
    return {
        "decision": (decision.action, decision.confidence, decision.status, decision.reason, decision.price),
        "order": order and (order.side, order.purpose, order.status, order.reference_price),
        "saga": saga and (saga.status, list(saga.steps.values_list("name", "status"))),
        "trade": trade and (trade.side, trade.quantity == order.quantity),
    }
