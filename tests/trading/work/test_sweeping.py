"""The sweeper finds each kind of lost work, and ends what is past its deadline."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import (
    make_agent,
    make_approval,
    make_cycle,
    make_decision,
    make_engagement,
    make_order,
    make_saga,
    make_strategy,
)
from tests.trading.scenes import ago, change
from trading.core import cycle_log, transitions
from trading.core.work import Work, WorkKind
from trading.models import AIDecision, Approval, Cycle, Order, Saga
from trading.work import sweeping
from trading.work.sweeping import end_overdue, find_work

pytestmark = pytest.mark.django_db


def running(**overrides: Any) -> Cycle:
    return make_cycle(**({"status": "running"} | overrides))


def test_nothing_lost_is_nothing_found() -> None:
    make_agent()
    cycle = running(stage_at=ago(seconds=14))
    make_decision(cycle=make_cycle(), status="executed")

    assert find_work() == []
    change(cycle, stage="executing", stage_at=ago(seconds=4))
    make_decision(cycle=cycle)
    assert find_work() == []


def test_fetches_that_have_not_ended_are_asked_for_again_and_the_analysis_waits_for_them() -> None:
    cycle = running(stage_at=ago(seconds=16))

    assert find_work() == [Work(WorkKind.FETCH, cycle.pk)]


def test_fetches_that_have_ended_lead_to_the_analysis_whose_message_was_lost() -> None:
    cycle = running(stage_at=ago(seconds=16), symbols=["AAPL", "BTC/USD"])
    cycle_log.record_step(cycle.pk, "news")
    cycle_log.record_step(cycle.pk, "stocks", first_symbol="AAPL")
    cycle_log.record_error(cycle.pk, operation="fetch_coins", error=RuntimeError("anything"))
    assert find_work() == [Work(WorkKind.FETCH, cycle.pk)]

    cycle_log.record_step(cycle.pk, "account")

    assert find_work() == [Work(WorkKind.ANALYSE, cycle.pk)]


def test_fetches_that_never_ended_lead_to_the_analysis_while_it_has_its_own_time_and_the_orders_theirs() -> (
    None
):
    cycle = running(stage_at=ago(seconds=119), deadline_at=ago(seconds=-61))
    assert find_work() == [Work(WorkKind.FETCH, cycle.pk)]

    change(cycle, deadline_at=ago(seconds=-60))

    assert find_work() == [Work(WorkKind.ANALYSE, cycle.pk)]


def test_what_a_cycle_fetched_before_it_was_paused_does_not_count_afterwards() -> None:
    cycle = running(stage_at=ago(seconds=16), symbols=[])
    cycle_log.record_step(cycle.pk, "account")
    transitions.append_event(
        aggregate_type="cycle",
        aggregate_id=str(cycle.pk),
        event_type="cycle.resume",
        payload={},
        cycle_id=cycle.pk,
    )

    assert find_work() == [Work(WorkKind.FETCH, cycle.pk)]


def test_analysis_whose_worker_died_is_found_when_its_lease_ran_out() -> None:
    cycle = running(stage="analysing", stage_at=ago(seconds=55), lease_until=ago(seconds=1))

    assert find_work() == [Work(WorkKind.ANALYSE, cycle.pk)]
    change(cycle, lease_until=ago(seconds=-1))
    assert find_work() == []


@pytest.mark.parametrize("columns", [{"stage_at": 16}, {"stage": "finishing", "lease_until": 1}])
def test_maintenance_that_lost_its_message_is_maintained_and_not_analysed(columns: dict[str, Any]) -> None:
    past = {name: ago(seconds=v) if isinstance(v, int) else v for name, v in columns.items()}
    cycle = running(cycle_type="maintenance", **past)

    assert find_work() == [Work(WorkKind.MAINTAIN, cycle.pk)]


def test_decision_whose_message_was_lost_is_found_after_five_seconds() -> None:
    cycle = running(stage="executing", stage_at=ago(seconds=6))
    decision = make_decision(cycle=cycle)

    assert find_work() == [Work(WorkKind.EXECUTE, decision.pk)]


def test_decision_whose_worker_died_is_found_when_its_lease_ran_out() -> None:
    cycle = running(stage="executing")
    decision = make_decision(cycle=cycle, status="claimed", lease_until=ago(seconds=1))

    assert find_work() == [Work(WorkKind.EXECUTE, decision.pk)]
    change(decision, lease_until=ago(seconds=-1))
    assert find_work() == []


def test_approved_decision_is_found_whatever_became_of_its_cycle() -> None:
    decision = make_decision(cycle=make_cycle(), approved=True)

    assert find_work() == [Work(WorkKind.EXECUTE, decision.pk)]


def test_sagas_are_found_when_due_the_longest_waiting_first() -> None:
    """docs/lessons.md#lesson-22: what is in flight is in the database."""
    later = make_saga(order=make_order(symbol="A"), next_poll_at=ago(seconds=1))
    sooner = make_saga(order=make_order(symbol="B"), next_poll_at=ago(seconds=9))
    make_saga(order=make_order(symbol="C"), next_poll_at=ago(seconds=-9))
    make_saga(order=make_order(symbol="D"), status="completed", next_poll_at=ago(seconds=9))

    found = [work for work in find_work() if work.kind is WorkKind.ADVANCE]

    assert [work.id for work in found] == [sooner.pk, later.pk]


def test_of_the_sagas_that_wait_for_the_brokers_word_one_asks_for_all() -> None:
    """Each by itself took two requests of the broker's minute."""
    waiting = {
        symbol: make_saga(
            order=make_order(symbol=symbol, status="accepted", broker_order_id=symbol),
            next_poll_at=ago(seconds=age),
        )
        for symbol, age in (("A", 3), ("B", 5), ("C", 4))
    }
    late = make_saga(
        order=make_order(symbol="D", status="accepted", broker_order_id="D"),
        next_poll_at=ago(seconds=1),
        deadline_at=ago(seconds=2),
    )

    found = [work.id for work in find_work() if work.kind is WorkKind.ADVANCE]

    assert found == [waiting["B"].pk, late.pk]  # the late one is to be cancelled, by a request of its own
    make_engagement()
    found = [work.id for work in find_work() if work.kind is WorkKind.ADVANCE]
    assert set(found) == {late.pk, *(saga.pk for saga in waiting.values())}


def test_of_the_sagas_that_have_filled_a_few_settle_all() -> None:
    """Each would be visited each second while the last orders leave."""

    def filled(symbol: str, age: float, **overrides: Any) -> Saga:
        order = make_order(
            symbol=symbol, status="filled", filled_quantity=10, quantity=10, broker_order_id=symbol
        )
        return make_saga(order=order, next_poll_at=ago(seconds=age), **overrides)

    waiting = [filled(symbol, age) for symbol, age in (("A", 5), ("B", 4.5), ("C", 4), ("D", 3.5), ("E", 3))]
    late = filled("F", 1, deadline_at=ago(seconds=2))

    found = [work.id for work in find_work() if work.kind is WorkKind.ADVANCE]

    assert found == [*(saga.pk for saga in waiting[:3]), late.pk]


def test_cycle_whose_finish_was_lost_is_found() -> None:
    cycle = running(stage="executing")

    assert find_work() == [Work(WorkKind.FINISH, cycle.pk)]
    change(cycle, stage="finishing", lease_until=ago(seconds=-1))
    assert find_work() == []
    change(cycle, lease_until=ago(seconds=1))
    assert find_work() == [Work(WorkKind.FINISH, cycle.pk)]


def test_cycle_past_its_deadline_is_no_work_but_aborted() -> None:
    """docs/lessons.md#lesson-16: lost work does not pile up; it ends with a reason."""
    cycle = running(stage="executing", stage_at=ago(seconds=99), deadline_at=ago(seconds=1))
    decision = make_decision(cycle=cycle)

    assert [cycle.pk for cycle in end_overdue()] == [cycle.pk]

    cycle.refresh_from_db()
    decision.refresh_from_db()
    assert (cycle.status, cycle.reason) == ("aborted", "deadline")
    assert (decision.status, decision.reason) == ("expired", "cycle_aborted")
    assert end_overdue() == []
    assert find_work() == []


def test_paused_cycle_is_aborted_at_its_deadline_too() -> None:
    make_cycle(status="paused", deadline_at=ago(seconds=1))

    assert len(end_overdue()) == 1


def test_claimed_decision_of_an_aborted_cycle_is_found_to_be_expired() -> None:
    cycle = running(stage="executing", deadline_at=ago(seconds=1))
    decision = make_decision(cycle=cycle, status="claimed", lease_until=ago(seconds=1))
    end_overdue()

    assert find_work() == [Work(WorkKind.EXECUTE, decision.pk)]


def test_cycle_within_its_deadline_is_left_alone() -> None:
    running()

    assert end_overdue() == []


def test_approvals_nobody_answered_expire() -> None:
    """docs/lessons.md#lesson-31."""
    late, open_still = make_approval(expires_at=ago(seconds=1)), make_approval()

    end_overdue()

    assert Approval.objects.get(pk=late.pk).status == "expired"
    assert AIDecision.objects.get(pk=late.decision_id).reason == "approval_expired"
    assert Approval.objects.get(pk=open_still.pk).status == "requested"


def test_approvals_that_expire_at_once_are_ended_some_a_round_the_oldest_first() -> None:
    """Ten thousand of them kept one round, and all that comes after it in the round, for over a minute."""
    cycle = make_cycle()
    for number in range(sweeping.EXPIRED_A_ROUND * 2 + 50):
        decision = make_decision(cycle=cycle, symbol=f"S{number}", status="awaiting_approval")
        make_approval(decision=decision, expires_at=ago(seconds=1000 - number))
    overdue = running(stage="executing", deadline_at=ago(seconds=1))

    ended, left, oldest_first = [], [], []
    for _ in range(3):
        ended.append([cycle.pk for cycle in end_overdue()])
        waiting = Approval.objects.filter(status="requested").values_list("expires_at", flat=True)
        gone = Approval.objects.filter(status="expired").values_list("expires_at", flat=True)
        left.append(len(waiting))
        oldest_first.append(not waiting or max(gone) < min(waiting))

    assert left == [sweeping.EXPIRED_A_ROUND + 50, 50, 0]
    assert ended == [[overdue.pk], [], []]
    assert oldest_first == [True, True, True]


def test_engaged_switch_does_not_stop_the_sweeper() -> None:
    make_engagement()
    saga = make_saga()

    assert Work(WorkKind.ADVANCE, saga.pk) in find_work()


def orders_of_the_past(count: int) -> None:
    """Write so many orders that were bought, filled and booked, each with its saga."""
    cycle, strategy = make_cycle(), make_strategy()
    made = make_decision(cycle=cycle, strategy=strategy, status="executed")
    numbers = range(count)
    decisions = AIDecision.objects.bulk_create(
        AIDecision(cycle=cycle, strategy=strategy, status="executed", symbol=f"S{n}", action="buy",
                   confidence=made.confidence, strategy_version=1) for n in numbers
    )  # fmt: skip
    orders = Order.objects.bulk_create(
        Order(client_order_id=f"past-{n}", broker_order_id=f"past-{n}", decision=decision, cycle_id=cycle.pk,
              symbol=decision.symbol, side="buy", purpose="entry", quantity=1, time_in_force="day", status="filled",
              filled_quantity=1, booked_quantity=1, average_price=100, ended_at=ago(hours=1))
        for n, decision in zip(numbers, decisions, strict=True)
    )  # fmt: skip
    Saga.objects.bulk_create(
        Saga(decision=order.decision, order=order, cycle_id=cycle.pk, status="completed", deadline_at=ago(hours=1),
             next_poll_at=ago(hours=1), ended_at=ago(hours=1)) for order in orders
    )  # fmt: skip


def test_no_round_reads_orders_that_have_ended_rightly() -> None:
    """By the plans of PostgreSQL: what has ended is as much as the user is old, and a round is every second."""
    orders_of_the_past(2_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orders, sagas, ai_decisions")
    with CaptureQueriesContext(connection) as asked:
        assert find_work() == []

    plans = {}
    with connection.cursor() as cursor:
        for query in asked.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans[query["sql"]] = "\n".join(line for (line,) in cursor.fetchall())
    whole = [plan for plan in plans.values() if "Seq Scan on orders" in plan or "Seq Scan on sagas" in plan]
    assert not whole, "\n\n".join(whole)
    assert any("orders_unbooked" in plan for plan in plans.values())


def test_order_that_filled_further_after_it_was_booked_is_found_the_oldest_first() -> None:
    orders_of_the_past(3)
    newer, older = Order.objects.order_by("client_order_id")[:2]
    Order.objects.filter(pk=newer.pk).update(quantity=2, filled_quantity=2, created_at=ago(seconds=1))
    Order.objects.filter(pk=older.pk).update(quantity=2, filled_quantity=2, created_at=ago(seconds=2))

    assert find_work() == [Work(WorkKind.SETTLE, older.pk), Work(WorkKind.SETTLE, newer.pk)]


def test_order_of_an_ended_saga_that_is_open_again_is_found_once_whatever_it_has_filled() -> None:
    orders_of_the_past(1)
    Order.objects.update(status="partially_filled", quantity=3, filled_quantity=2)

    assert find_work() == [Work(WorkKind.SETTLE, Order.objects.get().pk)]
