"""A broker that is down pauses the cycle; its clock runs on; it goes on, or is aborted."""

from dataclasses import replace
from uuid import UUID

import pytest

from connectors.alpaca.broker import AlpacaBroker
from connectors.errors import HeldBackError, UnavailableError
from connectors.throttle.shared import Limits, SharedThrottle
from connectors.transport import time_limit
from tests.factories import make_cycle, make_decision
from tests.trading.outside import Outside
from tests.trading.scenes import ago, change, passed, wish
from trading import tasks
from trading.core.providers import current_providers
from trading.core.redis_client import redis_client
from trading.core.settings import set_runtime_setting
from trading.core.work import Work, WorkKind
from trading.cycle import fetching, pausing
from trading.cycle.pausing import pause_cycle, pause_if_broker_is_down, resume_cycle
from trading.domain.statuses import CycleStage
from trading.execution.decision_execution import execute_decision
from trading.models import AIDecision, Cycle, Event, Order
from trading.queries.event_words import line_of
from trading.work.sweeping import end_overdue, find_work

DOWN = UnavailableError("alpaca", "clock", "HTTP 503")
BROKER = r"^(GET|POST) /v2/(account|clock|positions|orders)"


def paused(stage: str = "fetching") -> Cycle:
    cycle = make_cycle(status="running", stage=stage)
    assert pause_cycle(cycle.pk, error=DOWN)
    cycle.refresh_from_db()
    return cycle


def kinds() -> set[WorkKind]:
    return {work.kind for work in find_work()}


def test_account_that_cannot_be_read_pauses_the_cycle(account: Outside) -> None:
    set_runtime_setting(name="fetch_timeout", value="2", actor="test")
    cycle = make_cycle(status="running")
    account.venue.fault(kind="error", status=503, route=BROKER)

    fetching.fetch_account(cycle.pk)

    cycle.refresh_from_db()
    assert cycle.status == "paused"
    assert cycle.reason.startswith("broker_unavailable: alpaca")
    assert "PAUSED" in (line_of(Event.objects.get(type="cycle.pause")) or "")
    assert [error["operation"] for error in cycle.errors] == ["sync_account"]


def test_paused_cycle_is_tried_again_when_its_wait_is_over(account: Outside) -> None:
    cycle = paused()

    assert kinds() == set()
    change(cycle, lease_until=ago(seconds=1))
    assert find_work() == [Work(WorkKind.RESUME, cycle.pk)]


def test_waits_grow_while_the_broker_stays_away(account: Outside) -> None:
    cycle = paused()
    change(cycle, stage_at=ago(seconds=8), lease_until=ago(seconds=1))
    account.venue.fault(kind="error", status=503, route=BROKER)

    assert resume_cycle(cycle.pk) is None

    cycle.refresh_from_db()
    assert cycle.status == "paused"
    assert cycle.lease_until is not None
    assert 6 < (cycle.lease_until - ago()).total_seconds() < 10


@pytest.mark.parametrize("stage", [CycleStage.FETCHING, CycleStage.EXECUTING])
def test_cycle_goes_on_where_it_was(account: Outside, stage: CycleStage) -> None:
    cycle = paused(stage)
    change(cycle, lease_until=ago(seconds=1))

    assert resume_cycle(cycle.pk) == stage

    cycle.refresh_from_db()
    assert (cycle.status, cycle.reason, cycle.stage) == ("running", "", stage)
    assert "goes on" in (line_of(Event.objects.get(type="cycle.resume")) or "")
    assert resume_cycle(cycle.pk) is None


def test_paused_cycle_past_its_deadline_is_aborted_and_says_why(account: Outside) -> None:
    cycle = paused("executing")
    decision = make_decision(cycle=cycle)
    change(cycle, deadline_at=ago(seconds=1), lease_until=ago(seconds=1))

    assert resume_cycle(cycle.pk) is None
    assert end_overdue() == [cycle]

    cycle.refresh_from_db()
    decision.refresh_from_db()
    assert (cycle.status, decision.status) == ("aborted", "expired")
    assert cycle.reason.startswith("deadline, broker_unavailable")


def test_decisions_wait_while_the_cycle_is_paused(account: Outside) -> None:
    decision = wish()
    assert pause_cycle(decision.cycle_id, error=DOWN)
    change(decision.cycle, stage_at=ago(seconds=60))

    assert execute_decision(decision.pk) is None

    assert AIDecision.objects.get().status == "pending"
    assert kinds() == set()
    assert not Order.objects.exists()


@pytest.mark.parametrize("stage", [CycleStage.ANALYSING, CycleStage.FINISHING])
def test_analysis_and_finish_are_not_interrupted(account: Outside, stage: CycleStage) -> None:
    cycle = make_cycle(status="running", stage=stage)

    assert not pause_cycle(cycle.pk, error=DOWN)


def test_order_that_cannot_be_sent_pauses_its_cycle_when_the_broker_is_down(account: Outside) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")
    saga = passed()
    account.venue.fault(kind="rate_limit", route="POST /v2/orders", times=1)
    tasks.advance_saga(str(saga.pk))
    assert Cycle.objects.get().status == "running"  # one request was refused: the broker is not down

    account.venue.fault(kind="error", status=503, route=BROKER)
    tasks.advance_saga(str(saga.pk))

    assert Cycle.objects.get().status == "paused"
    assert not pause_if_broker_is_down(UUID(int=0))


def test_limit_of_our_own_that_is_used_up_pauses_nothing(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker has said nothing: its minute is used up by the cycle's own orders, which wait for their turn."""
    make_cycle(status="running", stage="executing")
    throttle = SharedThrottle(redis_client(), "test", f"pausing {ago()}", Limits(requests=1))
    broker = AlpacaBroker("k", "s", account.venue.url, throttle=throttle)
    providers = replace(current_providers(), broker=broker)
    monkeypatch.setattr(pausing, "current_providers", lambda: providers)
    broker.clock()

    with pytest.raises(HeldBackError, match="rate limit is used up"), time_limit(1):
        broker.clock()
    with time_limit(1):
        assert not pause_if_broker_is_down(Cycle.objects.get().pk)

    assert Cycle.objects.get().status == "running"
