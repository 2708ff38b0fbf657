"""Three analyses that no model answers: exits only, until one is answered or a person says so."""

from uuid import UUID

import pytest

from risk.models import RiskCheck
from tests.factories import make_agent, make_cycle, make_event
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import wish
from trading.analysis import safe_mode
from trading.execution import decision_execution
from trading.execution.portfolio import sync_portfolio
from trading.models import AgentStatus, Event
from trading.queries.event_words import line_of
from trading.queries.overview import agent_standing
from trading.safety import kill_switch

STATES = "agent.trading_state_set"


@pytest.fixture
def cycle_id(db: None) -> UUID:
    make_agent(mode="autonomous")
    return make_cycle().pk


def fail(cycle_id: UUID, *, times: int = 3) -> None:
    for _ in range(times):
        safe_mode.after_analysis(cycle_id, answered=False)


def state() -> str:
    return AgentStatus.objects.get(pk=1).trading_state


def test_two_failures_leave_trading_active_and_three_reduce_it(cycle_id: UUID) -> None:
    fail(cycle_id, times=2)
    assert state() == "active"

    fail(cycle_id, times=1)

    assert state() == "reducing"
    event = Event.objects.get(type=STATES)
    assert (event.cycle_id, event.payload["reason"]) == (cycle_id, "ai_failures")
    assert "TRADING STATE REDUCING, exits only: 3 analyses in a row failed (ai_failures)" in str(
        line_of(event)
    )
    assert agent_standing().state_reason == "ai_failures"


def test_an_answered_analysis_starts_the_count_anew(cycle_id: UUID) -> None:
    fail(cycle_id, times=2)
    safe_mode.after_analysis(cycle_id, answered=True)
    fail(cycle_id, times=2)

    assert state() == "active"
    assert not Event.objects.filter(type=STATES).exists()


def test_more_failures_say_nothing_more(cycle_id: UUID) -> None:
    fail(cycle_id, times=5)

    assert Event.objects.filter(type=STATES).count() == 1


def test_an_answered_analysis_ends_it_by_itself(cycle_id: UUID) -> None:
    fail(cycle_id)

    safe_mode.after_analysis(cycle_id, answered=True)

    assert state() == "active"
    last = Event.objects.filter(type=STATES).order_by("sequence").last()
    assert last is not None
    assert "trading state reducing -> active by safe_mode: a model answered again" in str(line_of(last))


def test_a_person_ends_it(cycle_id: UUID) -> None:
    fail(cycle_id)

    assert safe_mode.leave(actor="ada", reason="the key was renewed")

    assert state() == "active"
    fail(cycle_id, times=2)
    assert state() == "active", "the count starts anew"


def test_a_person_needs_a_reason(cycle_id: UUID) -> None:
    fail(cycle_id)

    with pytest.raises(ValueError, match="a reason"):
        safe_mode.leave(actor="ada", reason=" ")


@pytest.mark.parametrize("way", ["answer", "person"])
def test_halted_is_never_lifted(way: str, account: Outside) -> None:
    cycle_id = make_cycle().pk
    fail(cycle_id)
    kill_switch.engage(actor="ada", reason="test")

    if way == "answer":
        safe_mode.after_analysis(cycle_id, answered=True)
    else:
        assert not safe_mode.leave(actor="bob", reason="test")

    assert state() == "halted"


def test_failures_while_halted_reduce_nothing_and_count(account: Outside) -> None:
    cycle_id = make_cycle().pk
    kill_switch.engage(actor="ada", reason="test")
    fail(cycle_id)
    assert state() == "halted"

    kill_switch.release(actor="ada", reason="test")
    assert state() == "active"
    fail(cycle_id, times=1)

    assert state() == "reducing"


def test_reducing_for_another_reason_is_left_alone(cycle_id: UUID) -> None:
    make_agent(trading_state="reducing")
    make_event(aggregate_type="agent", aggregate_id="1", type=STATES, payload={"reason": "by hand"})

    safe_mode.after_analysis(cycle_id, answered=True)

    assert not safe_mode.leave(actor="ada", reason="test")
    assert state() == "reducing"


@pytest.mark.parametrize(
    ("action", "reason"), [("buy", "trading_state_reducing"), ("sell", "")], ids=["entry", "exit"]
)
def test_entries_stop_and_exits_pass(account: Outside, action: str, reason: str) -> None:
    """docs/lessons.md#lesson-32."""
    account.hold(STOCK, 2)
    cycle_id = make_cycle().pk
    fail(cycle_id)
    symbol = STOCK if action == "sell" else OTHER_STOCK
    decision = wish(symbol, action)
    sync_portfolio(decision.cycle_id)

    decision_execution.execute_decision(decision.pk)

    assert RiskCheck.objects.get().reason == reason
