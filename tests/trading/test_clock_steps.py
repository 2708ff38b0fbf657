"""Clocks that step: no room is given out twice, nothing waits for as long as the step was large, and it is said once.

A step of the clock by so much is, for what is stored, the same as stored times moved by as much the other way.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F, Q

from ai.domain.breaker import COOL_DOWN, Admission, Breaker
from connectors.errors import ConnectorError
from orchestrator_project.observability import metric_readings
from orchestrator_project.runtime.doctor import processes
from orchestrator_project.runtime.doctor.finding import Status
from risk.models import KillSwitch, RiskReservation
from risk.services import switch
from tests.factories import (
    make_agent,
    make_approval,
    make_asset,
    make_cycle,
    make_decision,
    make_event,
    make_heartbeat,
    make_limits,
    make_order,
    make_saga,
    make_snapshot,
    make_user,
)
from tests.risk.threads import at_once
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import (
    advanced_to_its_end,
    ago,
    change,
    order_of,
    passed,
    reservation_of,
    wish,
)
from trading.access import idempotency_keys
from trading.access.idempotency_keys import Claim
from trading.analysis import analysis_time
from trading.core.settings import set_runtime_setting
from trading.core.waits import is_past
from trading.core.work import Work, WorkKind
from trading.cycle import cycles, fetching
from trading.domain.events.notices import Notice, Severity, Topic
from trading.domain.statuses import CycleStage
from trading.errors import SlotTakenError
from trading.events import notifying
from trading.execution import (
    approvals,
    confirmation,
    decision_execution,
    gate_inputs,
    portfolio,
    reconciliation,
    sagas,
    settlement,
    sync_sequence,
)
from trading.execution.portfolio import sync_portfolio
from trading.execution.sagas import advance_saga
from trading.market import assets
from trading.market.market_time import market_now
from trading.models import (
    AgentStatus,
    Approval,
    Cycle,
    EquitySnapshot,
    Event,
    NoticeMessage,
    NoticeTopic,
    Order,
    Position,
    RuntimeSetting,
    Saga,
    Trade,
)
from trading.orders import legs
from trading.orders.submission import submit_order
from trading.safety import kill_switch, watchdog
from trading.work import maintenance
from trading.work.sweeping import end_overdue, find_work

STEPS = [
    7200,
    85,
    1,
    -85,
    -7200,
]  # seconds by which stored times are moved: above zero the clock stepped back


def move(seconds: float) -> None:
    """Move what is stored of the account into the future, as a clock does that steps back."""
    by = timedelta(seconds=seconds)
    AgentStatus.objects.update(
        positions_as_of=F("positions_as_of") + by, market_time_read_at=F("market_time_read_at") + by
    )
    EquitySnapshot.objects.update(created_at=F("created_at") + by)
    Order.objects.update(ended_at=F("ended_at") + by)


def filled(account: Outside, symbol: str = STOCK, **options: Any) -> Saga:
    """Return a saga whose order has filled at the broker and is submitted; nothing is booked."""
    saga = passed(symbol, **options)
    submit_order(saga.order_id)
    account.wait_filled(order_of(saga).client_order_id)
    return saga


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", STEPS)
def test_fill_is_in_the_positions_before_its_room_is_given_back(account: Outside, seconds: int) -> None:
    saga = filled(account)
    move(seconds)

    assert advance_saga(saga.pk).status == "completed"

    assert Position.objects.get().quantity == order_of(saga).filled_quantity == account.positions()[STOCK]
    assert reservation_of(saga).release_reason == "position_synced"


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", STEPS)
def test_exposure_limit_holds_at_the_venue_over_a_step(account: Outside, seconds: int) -> None:
    """Each symbol was bought again and again: the book saw no position, and no reservation."""
    make_limits(max_exposure_percent=Decimal(6))
    for symbol in (STOCK, OTHER_STOCK):
        saga = filled(account, symbol, size_percent=3)
        move(seconds)
        advanced_to_its_end(saga.pk)
        move(seconds)
        sync_portfolio(None)
    denied = wish(COIN)

    assert decision_execution.execute_decision(denied.pk) is None

    denied.refresh_from_db()
    assert (denied.status, denied.reason) == ("denied", "exposure_limit_exceeded")
    assert (
        set(account.positions())
        == set(Position.objects.values_list("symbol", flat=True))
        == {STOCK, OTHER_STOCK}
    )
    assert not RiskReservation.objects.counting().exists()


@pytest.mark.django_db
def test_room_stays_reserved_while_no_sync_that_holds_the_fill_is_stored(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga = filled(account)
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(settlement, "sync_portfolio", lambda *_, **__: asked.append(1))

        assert advance_saga(saga.pk).status == "running"

    assert len(asked) == settlement.SYNCS_AT_MOST
    assert reservation_of(saga).released_at is None
    assert not Trade.objects.exists()
    assert Work(WorkKind.ADVANCE, saga.pk) in find_work() or saga.next_poll_at > ago()
    assert advance_saga(saga.pk).status == "completed"
    assert Position.objects.get().quantity == order_of(saga).filled_quantity


@pytest.mark.django_db
def test_refused_sync_books_by_the_newer_one_that_refused_it(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    saga = filled(account)
    real = settlement.sync_portfolio

    def overtaken(*args: Any, **options: Any) -> Any:
        """Ask, and let another sync ask and store before our answer is stored."""
        truth = portfolio.ask(portfolio.current_providers().broker, 1)
        real(None)
        assert not portfolio.store_truth(truth, None, world=AgentStatus.objects.get().world)
        return truth

    monkeypatch.setattr(settlement, "sync_portfolio", overtaken)

    assert advance_saga(saga.pk).status == "completed"
    assert Position.objects.get().quantity == order_of(saga).filled_quantity


@pytest.mark.django_db
def test_sync_asked_for_before_the_end_does_not_hold_the_fill(account: Outside) -> None:
    saga = passed()
    truth = portfolio.ask(portfolio.current_providers().broker, 1)
    submit_order(saga.order_id)
    account.wait_filled(order_of(saga).client_order_id)
    order = sagas.record_broker_order(
        order_of(saga), portfolio.current_providers().broker.order(order_of(saga).broker_order_id)
    )
    assert portfolio.store_truth(truth, None, world=AgentStatus.objects.get().world)

    assert not sync_sequence.includes(order)
    assert reservation_of(saga).released_at is None
    assert advance_saga(saga.pk).status == "completed"
    assert sync_sequence.includes(order_of(saga))


@pytest.mark.django_db
def test_order_that_ended_before_there_was_an_order_of_syncs_is_booked(account: Outside) -> None:
    saga = filled(account)
    told = portfolio.current_providers().broker.order(order_of(saga).broker_order_id)
    assert told is not None
    order = sagas.record_broker_order(order_of(saga), told)
    change(order, ended_sequence=None)

    assert advance_saga(saga.pk).status == "completed"
    assert Position.objects.get().quantity == order.filled_quantity


@pytest.mark.django_db(transaction=True)
def test_places_taken_later_are_greater_for_all() -> None:
    taken: list[list[int]] = at_once(8, lambda _: [sync_sequence.take_place() for _ in range(50)])

    assert len({place for places in taken for place in places}) == 400
    assert all(places == sorted(places) for places in taken)
    assert sync_sequence.take_place() > max(place for places in taken for place in places)


@pytest.mark.django_db(transaction=True)
def test_place_is_not_given_again_by_a_rollback() -> None:
    connection.set_autocommit(False)
    first = sync_sequence.take_place()
    connection.rollback()
    connection.set_autocommit(True)

    assert sync_sequence.take_place() > first


@pytest.mark.django_db(transaction=True)
def test_many_syncs_at_once_leave_the_newest_answer(threaded_account: Outside) -> None:
    threaded_account.hold(STOCK, "2")

    truths = at_once(6, lambda _: sync_portfolio(None))

    stored = [truth.sequence for truth in truths if truth.is_stored]
    assert AgentStatus.objects.get().positions_sequence == max(stored) == max(t.sequence for t in truths)
    assert EquitySnapshot.objects.count() == len(stored)
    newest = EquitySnapshot.objects.newest()
    assert newest is not None
    assert newest.sync_sequence == max(stored)


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "age"), [(10, 10), (60, 60), (-85, None), (-7200, None)])
def test_price_is_no_younger_than_its_fetching(account: Outside, seconds: int, age: int | None) -> None:
    """A market clock that went back makes its quote look new."""
    sync_portfolio(None)
    make_agent(market_rate=1)  # time passes as at a real broker; the venue's stands still
    make_asset(STOCK)
    now = market_now()
    snapshot = make_snapshot(symbol=STOCK, quoted_at=now, fetched_at=ago(seconds=seconds))
    decision = make_decision(symbol=STOCK)

    told = gate_inputs.order_intent(decision, snapshot).price_age_seconds

    assert told == (None if age is None else pytest.approx(age, abs=5))


FUTURE = [7200, 300]


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", FUTURE)
def test_waits_of_before_a_step_back_are_over(seconds: int) -> None:
    make_agent()
    later = ago(seconds=-seconds)
    cycle = make_cycle(status="running", stage="executing", stage_at=ago(seconds=4))
    died = make_decision(cycle=cycle, status="claimed", lease_until=later)
    saga = make_saga(next_poll_at=later)

    found = find_work()

    assert Work(WorkKind.EXECUTE, died.pk) in found
    assert Work(WorkKind.ADVANCE, saga.pk) in found


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", FUTURE)
@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"stage": "analysing", "lease_until": 1}, WorkKind.ANALYSE),
        ({"stage": "fetching", "stage_at": 1}, WorkKind.ANALYSE),
        ({"stage": "fetching", "status": "paused", "lease_until": 1}, WorkKind.RESUME),
        ({"stage": "finishing", "lease_until": 1, "cycle_type": "maintenance"}, WorkKind.MAINTAIN),
    ],
)
def test_cycle_does_not_wait_for_a_time_of_before_the_step(
    columns: dict[str, Any], kind: WorkKind, seconds: int
) -> None:
    make_agent()
    stored = {name: ago(seconds=-seconds) if value == 1 else value for name, value in columns.items()}
    cycle = make_cycle(**({"status": "running", "deadline_at": ago(seconds=-60)} | stored))

    assert find_work() == [Work(kind, cycle.pk)]


@pytest.mark.django_db
def test_lease_in_force_is_left_alone() -> None:
    """Somebody with a clock some seconds ahead has just given it."""
    make_agent()
    until = ago(seconds=-decision_execution.CLAIM_LEASE.total_seconds() - 20)
    make_decision(cycle=make_cycle(status="running", stage="executing"), status="claimed", lease_until=until)

    assert find_work() == []


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", FUTURE)
@pytest.mark.parametrize("status", ["running", "paused"])
def test_cycle_of_before_a_step_back_ends_at_once(seconds: int, status: str) -> None:
    """It would keep the next from starting until its deadline comes by the new time."""
    make_agent()
    started = ago(seconds=-seconds)
    cycle = make_cycle(status=status, started_at=started, deadline_at=started + timedelta(seconds=180))

    assert [c.pk for c in end_overdue()] == [cycle.pk]
    cycle.refresh_from_db()
    assert (cycle.status, cycle.reason) == ("aborted", "the clock stepped back")
    assert cycles.start_cycle(trigger="schedule", slotted=True, symbols=[STOCK]).is_open


@pytest.mark.django_db
def test_cycle_that_a_machine_somewhat_ahead_started_goes_on() -> None:
    started = ago(seconds=-10)
    make_cycle(status="running", started_at=started, deadline_at=started + timedelta(seconds=180))

    assert end_overdue() == []


def slotted() -> Cycle:
    """Start and complete the cycle of the current slot."""
    cycle = cycles.start_cycle(trigger="schedule", slotted=True, symbols=[STOCK])
    cycles.complete_cycle(cycle)
    return cycle


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", FUTURE)
def test_slot_is_free_when_the_clock_comes_by_it_again(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    make_agent()
    real = cycles.timezone.now
    shift = timedelta(0)
    monkeypatch.setattr(cycles.timezone, "now", lambda: real() + shift)
    started = []
    for minute in range(-seconds // 60 - 2, 1):
        shift = timedelta(minutes=minute)
        started.append(slotted())
    first = {cycle.slot for cycle in started}

    for minute in range(-seconds // 60, -seconds // 60 + 4):  # the clock stepped back, and goes on
        shift = timedelta(minutes=minute)
        again = slotted()
        assert again.slot in first
        with pytest.raises(SlotTakenError):
            slotted()

    assert Cycle.objects.filter(slot=None).count() == 4


@pytest.mark.django_db
def test_beat_of_a_machine_somewhat_behind_finds_its_slot_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    make_agent()
    at = ago().replace(second=59, microsecond=0)
    clock = [at, at + timedelta(seconds=1)]
    for now in clock:
        monkeypatch.setattr(cycles.timezone, "now", lambda now=now: now)
        slotted()

    monkeypatch.setattr(cycles.timezone, "now", lambda: at)
    with pytest.raises(SlotTakenError):
        slotted()


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", FUTURE)
def test_approval_of_before_a_step_back_is_not_answered_late(seconds: int) -> None:
    make_agent()
    approval = make_approval(expires_at=ago(seconds=-seconds - 500))
    change(approval, requested_at=ago(seconds=-seconds))

    assert not approvals._is_open(approval)
    end_overdue()
    assert Approval.objects.get().status == "expired"


@pytest.mark.django_db
def test_claim_takes_over_a_lease_of_before_a_step_back() -> None:
    make_agent()
    cycle = make_cycle(status="running", stage="executing")
    lost = make_decision(cycle=cycle, status="claimed", lease_until=ago(seconds=-7200))

    assert decision_execution._claim([lost.pk])
    analysing = make_cycle_stage(cycle, "analysing", ago(seconds=-7200))
    assert cycles.move_stage(
        analysing.pk, to=CycleStage.ANALYSING, frm=[CycleStage.FETCHING], lease=timedelta(seconds=50)
    )


def make_cycle_stage(cycle: Cycle, stage: str, lease_until: Any) -> Cycle:
    change(cycle, stage=stage, lease_until=lease_until, deadline_at=ago(seconds=-100))
    return cycle


@pytest.mark.django_db
def test_legs_of_a_lost_reply_are_asked_for_after_a_step_back() -> None:
    """An order without its legs waited for the hour that the clock had been ahead; what the legs are was not known."""
    facts = {"order_class": "bracket", "status": "accepted", "acknowledged_at": ago(seconds=60)}
    ahead, asked = (make_order(**facts, next_try_at=ago(seconds=-seconds)) for seconds in (7200, 20))

    assert legs.claim_parents_without_legs() == [ahead]

    assert legs.claim_parents_without_legs() == []
    change(asked, next_try_at=ago(seconds=1))
    assert legs.claim_parents_without_legs() == [asked]


@pytest.mark.django_db
def test_saga_is_not_given_more_time_by_a_step_back(account: Outside) -> None:
    account.fill_never()
    saga = passed()
    advance_saga(saga.pk)
    later = ago(seconds=-7200)
    change(saga, started_at=later, deadline_at=later + timedelta(seconds=60))

    advanced_to_its_end(saga.pk)

    assert order_of(saga).status == "canceled"


def test_breaker_of_before_a_step_back_lets_one_call_try() -> None:
    now = ago()
    breaker = Breaker(failures=3, open_until=now + timedelta(hours=2))

    assert breaker.admit(now) is Admission.GRANTED
    assert breaker.admit(now) is Admission.WAIT
    assert Breaker(failures=3, open_until=now + COOL_DOWN).admit(now) is Admission.REFUSED


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", ["30", "75", "840"])
def test_the_longest_waits_are_known(seconds: str) -> None:
    """A lease longer than what the sweeper reckons with would be taken over while it is in force."""
    RuntimeSetting.objects.create(name="analysis_timeout", value=seconds, unit="seconds", description="")
    leases = (cycles.FINISH_LEASE, cycles.analysis_lease(), maintenance.LEASE)
    assert max(leases) == cycles.longest_lease()
    limits = analysis_time.time_limits()
    assert float(seconds) < limits.soft < limits.hard < cycles.analysis_lease().total_seconds()
    assert limits.hard < settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    assert confirmation.POLL_INTERVAL < decision_execution.CLAIM_LEASE


@pytest.mark.django_db
def test_request_key_of_before_a_step_back_is_taken_over() -> None:
    user = make_user()
    claimed = idempotency_keys.claim(user=user, key="k", fingerprint="f")
    assert idempotency_keys.claim(user=user, key="k", fingerprint="f").claim is Claim.UNDER_WAY
    change(claimed.row, lease_until=ago(seconds=-7200))

    assert idempotency_keys.claim(user=user, key="k", fingerprint="f").claim is Claim.TAKEN


@pytest.mark.django_db
def test_order_whose_lease_is_of_before_a_step_back_is_healed(account: Outside) -> None:
    saga = filled(account)
    change(order_of(saga), lease_until=ago(seconds=-7200), status="unknown")

    report = reconciliation.reconcile()

    assert [line.split(":")[0] for line in report.healed] == [order_of(saga).client_order_id]
    assert order_of(saga).status == "filled"


@pytest.mark.django_db
@pytest.mark.parametrize(("by", "reason"), [(7200, "the clock stepped forward"), (None, "deadline")])
def test_cycle_that_is_late_by_a_step_alone_says_so(by: float | None, reason: str) -> None:
    make_agent()
    started = ago(seconds=7210)
    cycle = make_cycle(status="running", started_at=started, deadline_at=started + timedelta(seconds=180))
    if by is not None:
        make_event(
            aggregate_type="clock", type="clock.stepped", payload={"clock": "machine", "by_seconds": by}
        )

    end_overdue()

    cycle.refresh_from_db()
    assert (cycle.status, cycle.reason) == ("aborted", reason)


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", FUTURE)
def test_notices_of_before_a_step_back_are_not_kept(seconds: int) -> None:
    later = ago(seconds=-seconds - 3600)
    NoticeTopic.objects.create(topic="limits", due_at=later, title="t", many="t", count=1, severity="info")
    NoticeTopic.objects.create(topic="sagas", told_at=later)

    notifying._gather(
        Notice(Topic.SAGAS, "an order", "{count} orders", "line", "look", Severity.FAILURE), ago(), ago()
    )

    assert notifying.make_messages() == 1
    assert NoticeTopic.objects.get(pk="sagas").due_at < ago(seconds=-60)
    NoticeMessage.objects.update(next_attempt_at=later)
    assert notifying.send_next([])
    assert NoticeMessage.objects.get().status == "sent"


@pytest.mark.django_db
def test_errors_of_before_a_release_stay_past_when_their_time_comes_again() -> None:
    """A person's release is not overruled by what came before it, though the clock stepped back since."""
    make_agent()
    set_runtime_setting(name="critical_errors", value="1", actor="test")
    make_event(aggregate_type="saga", type="saga.fail", occurred_at=ago(seconds=60))
    kill_switch.engage(actor="ada", reason="drill")
    released = kill_switch.release(actor="ada", reason="over")
    change(released, released_at=ago(seconds=-7200))

    watchdog.patrol()
    assert not switch.is_engaged()

    make_event(aggregate_type="saga", type="saga.fail")
    watchdog.patrol()
    assert switch.is_engaged()


@pytest.mark.django_db
def test_account_of_before_a_step_back_that_cannot_be_read_is_an_error(account: Outside) -> None:
    make_agent(positions_as_of=ago(seconds=-7200))
    account.venue.fault(kind="error", route="GET /v2/account")

    for _ in range(2):
        with pytest.raises(ConnectorError):
            sync_portfolio(None)

    assert Event.objects.filter(type="critical_error.account_sync").count() == 1


@pytest.mark.django_db
def test_loss_limit_lives_over_a_step_back(account: Outside) -> None:
    """No sync was stored after a step, so nobody looked at the day's loss."""
    sync_portfolio(None)
    move(7200)
    make_limits(max_daily_loss_percent=Decimal("0.001"))
    account.hold(COIN, "0.5")  # which costs a fee; a cheap stock's spread may be less than a cent
    account.sell_everything()

    sync_portfolio(None)

    assert KillSwitch.objects.get().trigger == "daily_loss_limit"


@pytest.mark.django_db
def test_cached_price_and_listing_of_before_a_step_back_are_not_used(account: Outside) -> None:
    sync_portfolio(None)
    make_snapshot(symbol=STOCK, quoted_at=market_now(), fetched_at=ago(seconds=-85))
    gone = make_asset("GONE", refreshed_at=ago(seconds=-7200))

    reused = fetching._reuse(
        make_cycle().pk, [STOCK], fetching.MarketClockReader(portfolio.current_providers().broker)
    )
    assets.refresh_assets()

    assert reused == []
    gone.refresh_from_db()
    assert not gone.tradable


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", FUTURE)
def test_what_happened_before_a_step_back_is_past(seconds: int) -> None:
    now = ago()
    assert is_past("sent_at", now, timedelta(seconds=5)) == Q(sent_at__lt=now - timedelta(seconds=5)) | Q(
        sent_at__gt=now + timedelta(seconds=30)
    )
    make_heartbeat(beaten_at=ago(seconds=-seconds))
    assert processes.sweeper().status is Status.FAILED
    assert "a clock stepped back" in processes.sweeper().found


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", FUTURE)
def test_beat_is_judged_by_the_cycle_that_came_last(seconds: int) -> None:
    """By time the newest is one of before the step, for as long as the step was large."""
    make_cycle(trigger="schedule", started_at=ago(seconds=-seconds), ended_at=ago(seconds=-seconds))
    assert processes.beat().status is Status.WARNING

    make_cycle(trigger="schedule", started_at=ago(), ended_at=ago())

    assert processes.beat().status is Status.OK
    ages = {
        r.labels: r.value for r in metric_readings._cycles() if r.name == "last_completed_cycle_age_seconds"
    }
    assert ages[("analysis",)] < 60
