"""A cycle starts once, moves under leases, and ends once, with its reason."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from tests.factories import (
    make_agent,
    make_asset,
    make_cycle,
    make_decision,
    make_engagement,
    make_order,
    make_trade,
)
from tests.risk.threads import at_once, beside, wait_for_blocked
from tests.trading.scenes import ago, change, events_of
from trading.core import cycle_log, transitions
from trading.cycle import cycles
from trading.domain.statuses import CycleStage
from trading.errors import CycleRunningError, SlotTakenError
from trading.models import AgentStatus, AIDecision, Cycle

F, A = CycleStage.FETCHING, CycleStage.ANALYSING


def start(**options: Any) -> Cycle:
    return cycles.start_cycle(**({"trigger": "test", "symbols": ["AAPL"]} | options))


@pytest.mark.django_db
def test_started_cycle_is_stored_running_with_its_deadline() -> None:
    make_agent(mode="semi_auto")

    cycle = start(started_by="ada")

    stored = Cycle.objects.get(pk=cycle.pk)
    assert (stored.status, stored.stage, stored.mode, stored.slot) == (
        "running",
        "fetching",
        "semi_auto",
        None,
    )
    assert stored.deadline_at - stored.started_at == timedelta(seconds=180)
    assert events_of(cycle) == ["cycle.created"]
    agent = AgentStatus.objects.get()
    assert (agent.is_running, agent.current_cycle_id) == (True, cycle.pk)


@pytest.mark.django_db
def test_scheduled_analysis_looks_at_the_universe_and_other_types_at_nothing() -> None:
    make_asset("AAPL")

    analysis = start(symbols=None)
    cycles.complete_cycle(analysis)
    execution = start(symbols=None, cycle_type="execution")

    assert analysis.symbols == ["AAPL"]
    assert execution.symbols == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slotted", [True, False])
def test_many_starts_at_once_start_one_cycle(slotted: bool) -> None:
    """docs/lessons.md#lesson-14: the others are told why, nobody fails in silence."""
    refused: list[type[Exception]] = []

    def work(_: int) -> bool:
        try:
            start(slotted=slotted)
        except (SlotTakenError, CycleRunningError) as error:
            refused.append(type(error))
            return False
        return True

    started = at_once(12, work)

    assert started.count(True) == 1
    assert len(refused) == 11
    assert Cycle.objects.count() == 1


@pytest.mark.django_db
def test_slot_is_taken_even_after_its_cycle_has_ended() -> None:
    make_agent()
    cycles.complete_cycle(start(slotted=True))

    with pytest.raises((SlotTakenError,), match="time slot"):
        start(slotted=True)


@pytest.mark.django_db
def test_second_cycle_is_refused_while_one_is_open() -> None:
    make_cycle(status="paused")

    with pytest.raises(CycleRunningError, match="one runs at a time"):
        start()


@pytest.mark.django_db
def test_other_database_errors_are_not_mistaken_for_a_running_cycle() -> None:
    with pytest.raises(IntegrityError, match="null value"):
        start(started_by=None)


@pytest.mark.django_db
@pytest.mark.parametrize("cycle_type", ["analysis", "execution"])
def test_engaged_switch_stores_the_cycle_aborted(cycle_type: str) -> None:
    make_engagement()

    cycle = start(cycle_type=cycle_type)

    stored = Cycle.objects.get()
    assert (stored.status, stored.reason, stored.stage) == ("aborted", "kill_switch", "ended")
    assert not cycle.is_open
    assert events_of(cycle) == ["cycle.created", "cycle.abort"]
    assert not AgentStatus.objects.get().is_running


@pytest.mark.django_db
def test_maintenance_runs_while_the_switch_is_engaged() -> None:
    make_engagement()

    assert start(cycle_type="maintenance").status == "running"


@pytest.mark.django_db
def test_stage_moves_from_where_it_is_expected_only() -> None:
    cycle = make_cycle(status="running")

    token = cycles.move_stage(cycle.pk, to=A, frm=[F], lease=timedelta(seconds=50))
    again = cycles.move_stage(cycle.pk, to=A, frm=[F], lease=timedelta(seconds=50))

    cycle.refresh_from_db()
    assert token == cycle.lease_until
    assert cycle.stage == "analysing"
    assert again is None


@pytest.mark.django_db
def test_stage_whose_lease_ran_out_is_taken_over() -> None:
    cycle = make_cycle(status="running", stage="analysing", lease_until=ago(seconds=1))

    assert cycles.move_stage(cycle.pk, to=A, frm=[F], lease=timedelta(seconds=50)) is not None


@pytest.mark.django_db
@pytest.mark.parametrize("late", [{"deadline_at": 1}, {"status": "paused"}], ids=["late", "paused"])
def test_stage_of_a_cycle_that_does_not_run_stays(late: dict[str, Any]) -> None:
    values = {"deadline_at": ago(seconds=1)} if "deadline_at" in late else late
    cycle = make_cycle(**({"status": "running"} | values))

    assert cycles.move_stage(cycle.pk, to=A, frm=[F]) is None


@pytest.mark.django_db(transaction=True)
def test_one_of_many_moves_the_stage() -> None:
    pk = make_cycle(status="running").pk

    tokens = at_once(8, lambda _: cycles.move_stage(pk, to=A, frm=[F], lease=timedelta(seconds=50)))

    assert sum(token is not None for token in tokens) == 1


@pytest.mark.django_db
def test_abort_expires_what_had_not_started_and_nothing_else() -> None:
    cycle = make_cycle(status="running", stage="executing")
    waiting = make_decision(cycle=cycle, symbol="A")
    approved = make_decision(cycle=cycle, symbol="B", approved=True)
    started = make_decision(cycle=cycle, symbol="C", status="executing")

    assert cycles.abort_cycle(cycle, reason="deadline")

    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason, waiting.reason_detail) == ("expired", "cycle_aborted", "deadline")
    assert waiting.settled_at is not None
    assert AIDecision.objects.get(pk=approved.pk).status == "pending"
    assert AIDecision.objects.get(pk=started.pk).status == "executing"
    assert Cycle.objects.get().metrics["skipped"] == {"cycle_aborted": 1}


@pytest.mark.django_db
def test_abort_that_comes_late_changes_nothing() -> None:
    cycle = make_cycle(status="running")
    stale = Cycle.objects.get()
    waiting = make_decision(cycle=cycle)
    cycles.complete_cycle(cycle)

    assert not cycles.abort_cycle(stale, reason="deadline")

    waiting.refresh_from_db()
    assert waiting.status == "pending"
    assert events_of(waiting) == []
    assert Cycle.objects.get().status == "completed"


@pytest.mark.django_db(transaction=True)
def test_abort_misses_no_decision_that_an_analysis_is_just_storing() -> None:
    cycle = make_cycle(status="running", stage="analysing")
    decision_pk = make_decision(cycle=make_cycle()).pk

    with transaction.atomic():
        Cycle.objects.filter(pk=cycle.pk).update(stage="executing")
        AIDecision.objects.filter(pk=decision_pk).update(cycle=cycle)
        aborting = beside(lambda: cycles.abort_cycle(Cycle.objects.get(pk=cycle.pk), reason="deadline"))
        aborted = aborting.__enter__()
        wait_for_blocked()
    aborting.__exit__(None, None, None)

    assert aborted.result()
    assert AIDecision.objects.get(pk=decision_pk).status == "expired"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "end",
    [
        cycles.complete_cycle,
        lambda cycle: cycles.fail_cycle(cycle, reason="no broker"),
        lambda cycle: cycles.abort_cycle(cycle, reason="deadline"),
    ],
    ids=["complete", "fail", "abort"],
)
def test_agent_is_idle_once_its_cycle_has_ended_and_not_before(
    end: Callable[[Cycle], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle, stale = start(), Cycle.objects.get()

    def dies(*_: Any, **__: Any) -> None:
        raise OperationalError("the process died in the middle")

    monkeypatch.setattr(transitions, "move_and_tell", dies)
    with pytest.raises(OperationalError, match="in the middle"):
        end(cycle)
    monkeypatch.undo()
    after_death = AgentStatus.objects.get()
    Cycle.objects.filter(pk=cycle.pk).update(status="paused")
    lost = end(stale)
    after_loss = AgentStatus.objects.get()
    Cycle.objects.filter(pk=cycle.pk).update(status="running")
    ended = end(Cycle.objects.get())

    assert (after_death.is_running, after_death.current_cycle_id) == (True, cycle.pk)
    assert not lost
    assert (after_loss.is_running, after_loss.current_cycle_id) == (True, cycle.pk)
    assert ended
    assert (AgentStatus.objects.get().is_running, AgentStatus.objects.get().current_cycle_id) == (False, None)


@pytest.mark.django_db
def test_failed_cycle_says_why() -> None:
    cycle = make_cycle(status="running")

    assert cycles.fail_cycle(cycle, reason="no broker")

    stored = Cycle.objects.get()
    assert (stored.status, stored.reason) == ("failed", "no broker")


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["failed", "aborted"])
def test_database_refuses_an_early_end_without_a_reason(status: str) -> None:
    with pytest.raises(IntegrityError, match="early_end_says_why"), transaction.atomic():
        make_cycle(status=status, reason="")


@pytest.mark.django_db(transaction=True)
def test_cycle_ends_once() -> None:
    pk = make_cycle(status="running", stage="executing").pk
    read = [Cycle.objects.get(pk=pk) for _ in range(9)]
    ends = [cycles.complete_cycle, lambda c: cycles.abort_cycle(c, reason="deadline")]

    ended = at_once(9, lambda number: ends[number % 2](read[number]))

    assert ended.count(True) == 1
    assert Cycle.objects.get().ended_at is not None


@pytest.mark.django_db
def test_metrics_and_report_count_what_happened() -> None:
    make_agent(world="local venue")
    cycle = make_cycle(status="running", stage="executing", started_at=ago(seconds=4))
    traded = make_order(decision=make_decision(cycle=cycle, status="executed"), status="filled")
    make_trade(order=traded)
    make_decision(cycle=cycle, symbol="B", status="held", action="hold", reason="hold")
    make_decision(cycle=cycle, symbol="C", status="denied", reason="stale_price")
    make_decision(cycle=cycle, symbol="D", status="denied", reason="stale_price")
    cycle_log.record_error(cycle.pk, operation="quotes alpaca", error=ValueError("x" * 900), symbol="D")

    cycles.complete_cycle(Cycle.objects.get())

    report = cycles.report(Cycle.objects.get())
    assert (report.status, report.decisions_count, report.trades_count) == ("completed", 4, 1)
    assert (report.market, report.analyst) == ("local venue", "")
    assert report.skipped == {"hold": 1, "stale_price": 2}
    assert report.duration_seconds == pytest.approx(4, abs=2)
    error = report.errors[0]
    assert (error["operation"], error["type"], error["symbol"]) == ("quotes alpaca", "ValueError", "D")
    assert len(error["message"]) == 500


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["pending", "claimed"])
def test_cycle_waits_for_decisions_nobody_has_started(status: str) -> None:
    cycle = make_cycle(status="running", stage="executing")
    make_decision(cycle=cycle, status=status)

    assert not cycles.ready_to_finish(cycle.pk)


@pytest.mark.django_db
def test_cycle_does_not_wait_for_a_person_or_an_approved_decision() -> None:
    cycle = make_cycle(status="running", stage="executing")
    make_decision(cycle=cycle, symbol="A", status="awaiting_approval")
    make_decision(cycle=cycle, symbol="B", approved=True)
    make_decision(cycle=cycle, symbol="C", status="executed")

    assert cycles.ready_to_finish(cycle.pk)


def executing_order(cycle: Cycle, symbol: str, **columns: Any) -> None:
    status = "rejected" if columns.get("status") == "rejected" else "executing"
    make_order(decision=make_decision(cycle=cycle, symbol=symbol, status=status), symbol=symbol, **columns)


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["created", "submitting", "unknown"])
def test_cycle_waits_for_an_order_the_broker_may_not_have(status: str) -> None:
    cycle = make_cycle(status="running", stage="executing")
    executing_order(cycle, "A", status=status)

    assert not cycles.ready_to_finish(cycle.pk)


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "ready"), [(4, False), (6, True)])
def test_cycle_waits_five_seconds_after_the_last_acknowledgement(seconds: int, ready: bool) -> None:
    cycle = make_cycle(status="running", stage="executing")
    executing_order(cycle, "A", status="accepted", acknowledged_at=ago(seconds=60))
    executing_order(cycle, "B", status="accepted", acknowledged_at=ago(seconds=seconds))

    assert cycles.ready_to_finish(cycle.pk) is ready


@pytest.mark.django_db
def test_order_that_was_never_acknowledged_does_not_shorten_the_wait() -> None:
    cycle = make_cycle(status="running", stage="executing")
    executing_order(cycle, "A", status="rejected")
    executing_order(cycle, "B", status="accepted", acknowledged_at=ago(seconds=1))

    assert not cycles.ready_to_finish(cycle.pk)


@pytest.mark.django_db
def test_finish_is_claimed_once_and_taken_over_when_its_lease_ran_out() -> None:
    cycle = make_cycle(status="running", stage="executing")

    first, second = cycles.claim_finish(cycle.pk), cycles.claim_finish(cycle.pk)

    assert (first, second) == (cycle, None)
    change(cycle, lease_until=timezone.now() - timedelta(seconds=1))
    assert cycles.claim_finish(cycle.pk) == cycle


@pytest.mark.django_db
def test_finish_is_not_claimed_before_the_cycle_is_ready() -> None:
    cycle = make_cycle(status="running", stage="executing")
    make_decision(cycle=cycle)

    assert cycles.claim_finish(cycle.pk) is None
    cycle.refresh_from_db()
    assert cycle.stage == "executing"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("end", "event", "level"),
    [
        (lambda cycle: cycles.fail_cycle(cycle, reason="no symbols"), "cycle_failed", "ERROR"),
        (lambda cycle: cycles.abort_cycle(cycle, reason="no symbols"), "cycle_aborted", "WARNING"),
        (cycles.complete_cycle, "cycle_completed", "INFO"),
    ],
)
def test_each_end_has_its_line(
    end: Callable[[Cycle], bool], event: str, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    cycle = make_cycle(status="running")

    assert end(cycle)

    (line,) = [record for record in caplog.records if event in str(record.msg)]
    assert (line.levelname, str(cycle.pk) in str(line.msg)) == (level, True)
