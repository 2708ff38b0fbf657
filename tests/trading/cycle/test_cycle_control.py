"""A person stops, pauses and resumes the cycle; nobody else ends a person's pause."""

import pytest

from connectors.errors import UnavailableError
from tests.factories import make_cycle, make_decision
from tests.trading.cycle.test_pausing import BROKER, DOWN
from tests.trading.outside import Outside
from tests.trading.scenes import ago, change
from trading.cycle import cycle_control
from trading.cycle.pausing import pause_cycle, resume_cycle
from trading.domain.statuses import CycleStage
from trading.errors import CycleStateError
from trading.execution.decision_execution import execute_decision
from trading.models import Event
from trading.queries.event_words import line_of
from trading.work.sweeping import end_overdue, find_work


def test_pause_by_a_person_says_so_and_is_nobodys_work(account: Outside) -> None:
    cycle = make_cycle(status="running", stage="executing")

    cycle_control.pause(actor="ada", reason="odd prices")

    cycle.refresh_from_db()
    change(cycle, stage_at=ago(seconds=3600))
    event = Event.objects.get(type="cycle.pause")
    assert (cycle.status, cycle.reason) == ("paused", "paused by ada: odd prices")
    assert event.payload["actor"] == "ada"
    assert (line_of(event) or "").endswith("cycle PAUSED: paused by ada: odd prices")
    assert cycle_control.is_paused_by_hand(cycle)
    assert find_work() == []
    assert resume_cycle(cycle.pk) is None


def test_paused_cycle_takes_no_decision_further(account: Outside) -> None:
    cycle = make_cycle(status="running", stage="executing")
    decision = make_decision(cycle=cycle)
    cycle_control.pause(actor="ada")

    assert execute_decision(decision.pk) is None

    decision.refresh_from_db()
    assert decision.status == "pending"
    assert account.posts() == []


def test_person_resumes_what_a_person_paused(account: Outside) -> None:
    cycle = make_cycle(status="running", stage="executing")
    cycle_control.pause(actor="ada")

    _, stage = cycle_control.resume(actor="bob")

    cycle.refresh_from_db()
    assert (cycle.status, cycle.reason, stage) == ("running", "", CycleStage.EXECUTING)
    resumed = Event.objects.get(type="cycle.resume")
    assert resumed.payload["actor"] == "bob"
    assert "resumed by bob" in (line_of(resumed) or "")


def test_resume_while_the_broker_is_away_leaves_it_paused_by_the_person(account: Outside) -> None:
    cycle = make_cycle(status="running")
    cycle_control.pause(actor="ada")
    account.venue.fault(kind="error", status=503, route=BROKER)

    with pytest.raises(UnavailableError):
        cycle_control.resume(actor="bob")

    cycle.refresh_from_db()
    assert cycle_control.is_paused_by_hand(cycle)


def test_person_takes_over_a_pause_that_waits_for_the_broker(account: Outside) -> None:
    cycle = make_cycle(status="running")
    assert pause_cycle(cycle.pk, error=DOWN)

    cycle_control.pause(actor="ada")

    cycle.refresh_from_db()
    change(cycle, stage_at=ago(seconds=100))
    assert (cycle.reason, find_work()) == ("paused by ada", [])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stage": "analysing"}, "not interrupted"),
        ({"stage": "finishing"}, "not interrupted"),
        ({"cycle_type": "maintenance"}, "not interrupted"),
    ],
)
def test_what_is_not_interrupted_says_so(db: None, values: dict[str, str], words: str) -> None:
    cycle = make_cycle(status="running", **values)

    with pytest.raises(CycleStateError, match=words):
        cycle_control.pause(actor="ada")

    cycle.refresh_from_db()
    assert cycle.status == "running"


def test_second_pause_says_who_was_first(db: None) -> None:
    make_cycle(status="running")
    cycle_control.pause(actor="ada")

    with pytest.raises(CycleStateError, match="paused by ada"):
        cycle_control.pause(actor="bob")


def test_deadline_ends_a_persons_pause_with_both_reasons(db: None) -> None:
    cycle = make_cycle(status="running")
    cycle_control.pause(actor="ada")
    change(cycle, deadline_at=ago(seconds=1))

    assert [ended.pk for ended in end_overdue()] == [cycle.pk]

    cycle.refresh_from_db()
    assert (cycle.status, cycle.reason) == ("aborted", "deadline, paused by ada")


def test_resume_past_the_deadline_is_refused(db: None) -> None:
    cycle = make_cycle(status="running")
    cycle_control.pause(actor="ada")
    change(cycle, deadline_at=ago(seconds=1))

    with pytest.raises(CycleStateError, match="past its deadline"):
        cycle_control.resume(actor="ada")


def test_stop_aborts_and_expires_what_was_not_started(db: None) -> None:
    cycle = make_cycle(status="running", stage="executing")
    decision = make_decision(cycle=cycle)

    cycle_control.stop(actor="ada", reason="wrong universe")

    cycle.refresh_from_db()
    decision.refresh_from_db()
    assert (cycle.status, cycle.reason) == ("aborted", "stopped by ada: wrong universe")
    assert decision.status == "expired"


@pytest.mark.parametrize("act", [cycle_control.stop, cycle_control.pause, cycle_control.resume])
def test_without_a_cycle_there_is_nothing_to_do(db: None, act: object) -> None:
    with pytest.raises(CycleStateError, match="no cycle runs"):
        act(actor="ada")  # type: ignore[operator]


def test_running_cycle_is_not_resumed(db: None) -> None:
    make_cycle(status="running")

    with pytest.raises(CycleStateError, match="running, not paused"):
        cycle_control.resume(actor="ada")
