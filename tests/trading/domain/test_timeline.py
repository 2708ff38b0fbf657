"""The six stages of a decision, for every way it can go, and read without a query per decision."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from uuid6 import uuid7

from tests import factories
from trading.domain.statuses import DecisionStatus, OrderStatus, SagaStatus
from trading.domain.timeline import (
    ApprovalFacts,
    ExitFacts,
    GateFacts,
    OrderFacts,
    StageName,
    StageStatus,
    TimelineFacts,
    timeline,
)
from trading.models import AIDecision
from trading.queries.timeline import timeline_of, timelines_for

T0 = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
LETTERS = {"completed": "c", "pending": "p", "skipped": "s", "failed": "f"}


def facts(status: str = "pending", **more: Any) -> TimelineFacts:
    values: dict[str, Any] = {
        "action": "buy",
        "reason": "",
        "reason_detail": "",
        "confidence": Decimal("0.8000"),
        "price": Decimal("100.00"),
        "model": "a model",
        "decided_at": T0,
        "settled_at": None,
    }
    return TimelineFacts(status=status, **(values | more))


def gate(**more: Any) -> GateFacts:
    values: dict[str, Any] = {"allowed": True, "reason": "", "checked_at": T0}
    return GateFacts(quantity=Decimal(3), notional=Decimal(300), **(values | more))


def order(status: str = "filled", filled: int = 0, **more: Any) -> OrderFacts:
    values: dict[str, Any] = {
        "side": "buy",
        "quantity": Decimal(10),
        "average_price": Decimal(100) if filled else None,
        "broker_message": "",
        "created_at": T0,
        "acknowledged_at": T0 + timedelta(seconds=1),
        "ended_at": None,
        "last_fill_at": T0 + timedelta(seconds=2) if filled else None,
        "reducing": False,
    }
    return OrderFacts(status=status, filled_quantity=Decimal(filled), **(values | more))


def asked(status: str = "requested", **more: Any) -> ApprovalFacts:
    values: dict[str, Any] = {"answered_at": None, "answered_by": "", "reason": ""}
    return ApprovalFacts(status=status, requested_at=T0, expires_at=T0, **(values | more))


def drawn(given_facts: TimelineFacts) -> str:
    """Return the six statuses by their first letters."""
    return "".join(LETTERS[stage.status] for stage in timeline(given_facts))


UNSENT = {"acknowledged_at": None}
CLOSED = ExitFacts(T0, Decimal(5), ("exit",), Decimal(10))
STILL_OPEN = ExitFacts(None, None, (), Decimal(0))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (facts("held", action="hold", reason="hold"), "csssss"),
        (facts("skipped", reason="no_price"), "csssss"),
        (facts("stored", reason="mode_manual"), "csssss"),
        (facts("expired", reason="cycle_deadline"), "csssss"),
        (facts("expired", reason="approval_expired", approval=asked("expired", answered_at=T0)), "csssss"),
        (facts("rejected", reason="approval_rejected", approval=asked("rejected")), "csssss"),
        (facts("pending"), "cppppp"),
        (facts("claimed"), "cppppp"),
        (facts("awaiting_approval", approval=asked()), "cppppp"),
        (facts("denied", gate=gate(allowed=False, reason="stale_price")), "cfssss"),
        (facts("executing", gate=gate()), "ccpppp"),
        (facts("executing", gate=gate(), order=order("created", **UNSENT)), "ccpppp"),
        (facts("executing", gate=gate(), order=order("unknown", **UNSENT)), "ccpppp"),
        (facts("rejected", gate=gate(), order=order("rejected", **UNSENT)), "ccfsss"),
        (facts("rejected", gate=gate(), order=order("rejected")), "ccfsss"),
        (facts("failed", gate=gate(), order=order("failed", **UNSENT)), "ccfsss"),
        (facts("expired", gate=gate(), order=order("expired", **UNSENT)), "ccfsss"),
        (facts("executing", gate=gate(), order=order("accepted")), "cccppp"),
        (facts("expired", gate=gate(), order=order("canceled")), "cccfss"),
        (facts("executing", gate=gate(), order=order("partially_filled", 4)), "ccccpp"),
        (facts("executing", gate=gate(), order=order("filled", 10)), "ccccpp"),
        (facts("executing", gate=gate(), order=order("filled", 10), saga_status="failed"), "ccccfs"),
        (facts("executed", gate=gate(), order=order("filled", 10), booked_at=T0), "cccccp"),
        (facts("executed", gate=gate(), order=order("filled", 10), booked_at=T0, exit=STILL_OPEN), "cccccp"),
        (facts("executed", gate=gate(), order=order("canceled", 4), booked_at=T0), "cccccp"),
        (facts("executed", gate=gate(), order=order("filled", 10), booked_at=T0, exit=CLOSED), "cccccc"),
        (facts("executed", order=order("filled", 10, reducing=True), booked_at=T0), "cccccc"),
    ],
)
def test_stages_of_every_way_a_decision_can_go(what: TimelineFacts, expected: str) -> None:
    """Hold or not traded: the rest skipped; denied: failed; rejected by the broker: order failed; and so on."""
    assert drawn(what) == expected


def test_stages_are_always_the_six_in_order() -> None:
    assert [stage.stage for stage in timeline(facts("held"))] == list(StageName)


def test_partial_fill_says_how_much() -> None:
    filled = timeline(facts("executing", gate=gate(), order=order("partially_filled", 4)))[3]

    assert (filled.status, filled.timestamp) == (StageStatus.COMPLETED, T0 + timedelta(seconds=2))
    assert filled.details == {
        "filled_quantity": "4",
        "quantity": "10",
        "filled_percent": "40",
        "average_price": "100",
        "status": "partially_filled",
    }


def test_denial_and_rejection_say_why() -> None:
    denied = timeline(facts("denied", gate=gate(allowed=False, reason="stale_price")))[1]
    words = order("rejected", broker_message="insufficient qty", **UNSENT)
    rejected = timeline(facts("rejected", gate=gate(), order=words))[2]

    assert denied.details == {"reason": "stale_price"}
    assert rejected.details["message"] == "insufficient qty"


def test_waiting_for_a_person_says_until_when_and_an_answer_by_whom() -> None:
    waiting = timeline(facts("awaiting_approval", approval=asked()))[1]
    answered = asked("granted", answered_at=T0, answered_by="ada", reason="fine")
    passed = timeline(facts("executing", gate=gate(), approval=answered))[1]

    assert waiting.details == {
        "waits_for": "approval",
        "approval": "requested",
        "expires_at": T0.isoformat(),
    }
    assert (passed.details["answered_by"], passed.details["answer_reason"]) == ("ada", "fine")


moments = st.none() | st.just(T0)


@given(
    status=st.sampled_from(DecisionStatus),
    checked=st.none() | st.booleans(),
    order_status=st.none() | st.sampled_from(OrderStatus),
    filled=st.integers(0, 10),
    acknowledged=moments,
    booked=moments,
    saga=st.sampled_from(["", *SagaStatus]),
    reducing=st.booleans(),
)
def test_no_facts_make_it_raise_and_nothing_completes_after_a_gap(
    status: str,
    checked: bool | None,
    order_status: str | None,
    filled: int,
    acknowledged: datetime | None,
    booked: datetime | None,
    saga: str,
    reducing: bool,
) -> None:
    own = None
    if order_status is not None:
        own = order(order_status, filled, acknowledged_at=acknowledged, reducing=reducing)
    judged = None if checked is None else gate(allowed=checked, reason="" if checked else "stale_price")

    word = drawn(facts(status, gate=judged, order=own, booked_at=booked, saga_status=saga))

    assert len(word) == 6
    assert word.startswith("c")
    rest = word.lstrip("c")
    assert rest in {
        *("p" * n for n in range(6)),
        *("s" * n for n in range(6)),
        *("f" + "s" * n for n in range(5)),
    }


def executed(symbol: str = "AAPL", **overrides: Any) -> AIDecision:
    """Write a decision that bought and whose position is booked."""
    ended = timezone.now() - timedelta(minutes=2)
    check = factories.make_risk_check(symbol=symbol)
    decision = factories.make_decision(symbol=symbol, status="executed", risk_check=check)
    values: dict[str, Any] = {
        "filled_quantity": Decimal(1),
        "average_price": Decimal(100),
        "acknowledged_at": ended,
        "ended_at": ended,
    }
    row = factories.make_order(decision=decision, symbol=symbol, status="filled", **(values | overrides))
    type(row)._default_manager.filter(pk=row.pk).update(created_at=ended)
    fill = factories.make_fill(order=row)
    type(fill)._default_manager.filter(pk=fill.pk).update(recorded_at=ended)
    factories.make_saga(order=row, status="completed", ended_at=ended)
    return decision


def stages_of(decision: AIDecision) -> str:
    stages = timeline_of(decision.pk)
    assert stages is not None
    return "".join(LETTERS[stage.status] for stage in stages)


@pytest.mark.django_db
def test_open_position_waits_for_its_exit() -> None:
    decision = executed()
    factories.make_position()

    assert stages_of(decision) == "cccccp"


def sold(symbol: str = "AAPL", **overrides: Any) -> None:
    row = factories.make_order(symbol=symbol, side="sell", purpose="exit", status="filled")
    factories.make_trade(order=row, realised_pnl=Decimal("12.5"), **overrides)


@pytest.mark.django_db
def test_position_found_closed_is_an_exit_with_its_profit() -> None:
    decision = executed()
    sold(traded_at=timezone.now() - timedelta(minutes=1))
    event = factories.make_event(
        aggregate_type="position", aggregate_id="AAPL", type="position.closed", sequence=1
    )

    stages = timeline_of(decision.pk)

    assert stages is not None
    assert (stages[5].status, stages[5].timestamp) == (StageStatus.COMPLETED, event.occurred_at)
    assert stages[5].details == {"realised_pnl": "12.5", "by": "exit", "reduced_quantity": "1"}


@pytest.mark.django_db
def test_position_sold_between_two_syncs_is_closed() -> None:
    decision = executed()
    sold()

    assert stages_of(decision) == "cccccc"


@pytest.mark.django_db
def test_closing_before_the_fill_is_another_positions() -> None:
    factories.make_event(aggregate_type="position", aggregate_id="AAPL", type="position.closed")
    decision = executed()
    factories.make_position()
    late = timezone.now() + timedelta(seconds=1)
    fill = factories.Fill.objects.get()
    type(fill)._default_manager.update(recorded_at=late)

    assert stages_of(decision) == "cccccp"


@pytest.mark.django_db
def test_exit_orders_own_trade_is_its_result() -> None:
    decision = factories.make_decision(action="sell", status="executed")
    row = factories.make_order(
        decision=decision, side="sell", purpose="exit", status="filled", filled_quantity=1, ended_at=T0
    )
    factories.make_saga(order=row, status="completed", ended_at=timezone.now())
    factories.make_trade(order=row, realised_pnl=Decimal(-3))

    stages = timeline_of(decision.pk)

    assert stages is not None
    assert stages[5].status == StageStatus.COMPLETED
    assert stages[5].details["realised_pnl"] == "-3"


@pytest.mark.django_db
def test_unknown_decision_has_no_timeline() -> None:
    assert timeline_of(uuid7()) is None


@pytest.mark.django_db
def test_many_timelines_cost_as_many_queries_as_one() -> None:
    """docs/lessons.md#lesson-11: no query per decision."""
    user = factories.make_user()
    decisions = [executed(f"AA{n}") for n in range(12)]
    for decision in decisions:
        factories.make_approval(
            decision=decision, status="granted", answered_by=user, answered_at=timezone.now()
        )

    with CaptureQueriesContext(connection) as one:
        timelines_for([decisions[0].pk])
    with CaptureQueriesContext(connection) as many:
        found = timelines_for([decision.pk for decision in decisions])

    assert len(many) == len(one) <= 6
    assert len(found) == 12
    assert all(stages[1].details["answered_by"] == user.username for stages in found.values())


def test_replacing_a_fact_changes_only_what_follows() -> None:
    """The same facts give the same timeline: it is a pure function."""
    what = facts("executed", gate=gate(), order=order("filled", 10), booked_at=T0)

    assert timeline(what) == timeline(replace(what))
