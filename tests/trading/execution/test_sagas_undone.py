"""Undoing survives a crash, gives way to a late fill, and stops all trading when it fails."""

import pytest
from django.db import connection

from connectors.errors import ConnectorError, UnavailableError
from risk.models import KillSwitch, RiskReservation
from risk.services import switch
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import (
    advanced_to_its_end,
    ago,
    change,
    events_of,
    order_of,
    passed,
    reservation_of,
)
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.core.work import Work, WorkKind
from trading.execution.reconciliation import reconcile
from trading.execution.sagas import advance_saga, settle_order
from trading.models import AIDecision, Event, Position, Saga, Trade
from trading.orders.submission import submit_order
from trading.queries.event_words import line_of
from trading.work.sweeping import find_work


@pytest.fixture(autouse=True)
def one_attempt(account: Outside) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")


@pytest.fixture
def broken_book(account: Outside) -> None:
    """Let the database refuse to end a reservation."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'the book is broken'; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER broken BEFORE UPDATE ON risk_reservations FOR EACH ROW EXECUTE FUNCTION refuse()"
        )


def cancelled_unfilled(account: Outside) -> Saga:
    """Return a saga that was undone because its order was cancelled at its deadline."""
    account.fill_never(times=1)
    saga = passed()
    advance_saga(saga.pk)
    change(saga, deadline_at=ago(seconds=1))
    return advanced_to_its_end(saga.pk)


def filled_at_the_broker(account: Outside) -> Saga:
    """Return a saga whose order has filled; nothing has been booked."""
    saga = passed()
    order = submit_order(saga.order_id)
    account.wait_filled(order.client_order_id)
    return saga


def test_compensation_that_fails_engages_the_switch(account: Outside, broken_book: None) -> None:
    account.venue.fault(kind="reject_order", status=403, times=1)

    saga = advance_saga(passed().pk)

    engagement = KillSwitch.objects.get()
    assert (engagement.trigger, engagement.released_at) == ("compensation_failed", None)
    assert "the book is broken" in engagement.reason
    assert saga.status == "failed"
    assert "the book is broken" in saga.error
    assert RiskReservation.objects.counting().exists()
    assert AIDecision.objects.get().reason == "compensation_failed"
    assert events_of(saga) == ["saga.created", "saga.compensate", "saga.fail"]
    assert "SAGA FAILED" in (line_of(Event.objects.get(type="saga.fail")) or "")


def test_failed_saga_is_settled_by_reconciling_once_it_can_be(account: Outside, broken_book: None) -> None:
    account.venue.fault(kind="reject_order", status=403, times=1)
    saga = advance_saga(passed().pk)
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER broken ON risk_reservations")

    report = reconcile()

    saga.refresh_from_db()
    assert order_of(saga).client_order_id in report.booked
    assert saga.status == "compensated"
    assert reservation_of(saga).release_reason == "broker_rejected"
    assert switch.is_engaged()


def test_order_that_never_ends_is_a_failed_compensation(account: Outside) -> None:
    account.fill_never()
    saga = passed()
    advance_saga(saga.pk)
    change(saga, deadline_at=ago(seconds=1))
    account.venue.fault(kind="error", status=422, route="DELETE /v2/orders/*", body={"message": "no"})
    assert advance_saga(saga.pk).status == "running"
    step = saga.steps.get(name="confirm-fill")
    change(step, input={"cancel_asked_at": ago(seconds=121).isoformat()})

    assert advance_saga(saga.pk).status == "failed"

    assert KillSwitch.objects.get().trigger == "compensation_failed"
    assert RiskReservation.objects.counting().exists()
    assert Work(WorkKind.SETTLE, saga.order_id) in find_work()
    account.venue.clear_faults()
    assert settle_order(saga.order_id).status == "compensated"
    assert not RiskReservation.objects.counting().exists()


def test_order_whose_cancel_is_answered_with_an_error_for_minutes_is_one_too(account: Outside) -> None:
    account.fill_never()
    saga = passed()
    advance_saga(saga.pk)
    change(saga, deadline_at=ago(seconds=1))
    account.venue.fault(kind="error", status=500, route="DELETE /v2/orders/*")
    assert advance_saga(saga.pk).status == "running"
    step = saga.steps.get(name="confirm-fill")
    assert "cancel_asked_at" in step.input
    change(step, input=step.input | {"cancel_asked_at": ago(seconds=121).isoformat()})

    assert advance_saga(saga.pk).status == "failed"

    assert KillSwitch.objects.get().trigger == "compensation_failed"
    assert RiskReservation.objects.counting().exists()
    account.venue.clear_faults()
    assert settle_order(saga.order_id).status == "compensated"


def test_broker_that_is_away_altogether_is_no_failed_compensation(account: Outside) -> None:
    account.fill_never()
    saga = passed()
    advance_saga(saga.pk)
    change(saga, deadline_at=ago(seconds=1))
    account.venue.fault(kind="error", status=500, route="/v2/orders*")

    with pytest.raises(UnavailableError):
        advance_saga(saga.pk)

    assert "cancel_asked_at" not in saga.steps.get(name="confirm-fill").input
    assert not KillSwitch.objects.exists()


def overdue(saga: Saga) -> None:
    """Let a saga's deadline be over, and its positions be asked for long enough."""
    change(saga, deadline_at=ago(seconds=1))
    change(saga.steps.get(name="update-position"), started_at=ago(seconds=31))


@pytest.mark.parametrize("fault", [{"kind": "error", "status": 500}, {"kind": "error", "status": 403}])
def test_position_that_cannot_be_updated_ends_its_saga_in_a_stated_way(
    account: Outside, fault: dict[str, object]
) -> None:
    saga = filled_at_the_broker(account)
    account.venue.fault(route="GET /v2/positions", **fault)
    with pytest.raises(ConnectorError):
        advance_saga(saga.pk)
    assert Saga.objects.get().status == "running", "before its deadline it is tried again"
    overdue(saga)

    ended = advance_saga(saga.pk)

    assert (ended.status, ended.ended_at is None) == ("failed", False)
    assert ended.error.startswith("position_not_updated: ")
    step = saga.steps.get(name="update-position")
    assert (step.status, step.result["reason"]) == ("failed", "position_not_updated")
    assert AIDecision.objects.get().status == "executed", "the broker has the fill"
    assert Trade.objects.get().quantity == order_of(saga).filled_quantity
    assert reservation_of(saga).released_at is None, "its room would be given out twice"
    assert not KillSwitch.objects.exists()


def test_saga_whose_position_was_updated_later_is_complete_after_all(account: Outside) -> None:
    saga = filled_at_the_broker(account)
    account.venue.fault(route="GET /v2/positions", kind="error")
    with pytest.raises(ConnectorError):
        advance_saga(saga.pk)
    overdue(saga)
    advance_saga(saga.pk)
    assert Work(WorkKind.SETTLE, saga.order_id) in find_work()
    account.venue.clear_faults()

    settled = settle_order(saga.order_id)

    assert settled.status == "completed"
    assert reservation_of(saga).release_reason == "position_synced"
    assert set(saga.steps.values_list("status", flat=True)) == {"completed"}
    assert Trade.objects.count() == 1
    assert Work(WorkKind.SETTLE, saga.order_id) not in find_work()


def test_fill_after_everything_was_undone_is_booked(account: Outside) -> None:
    """docs/lessons.md#lesson-17: the trade is linked to its decision, however late it came."""
    saga = filled_at_the_broker(account)
    change(order_of(saga), status="canceled", filled_quantity=0, average_price=None)
    assert advance_saga(saga.pk).status == "compensated"

    saga = settle_order(saga.order_id)

    order, trade, decision = order_of(saga), Trade.objects.get(), AIDecision.objects.get()
    assert (saga.status, order.status, decision.status) == ("completed", "filled", "executed")
    assert decision.reason == ""
    assert trade.quantity == order.quantity == Position.objects.get().quantity == account.positions()[STOCK]
    assert trade.decision == decision
    assert reservation_of(saga).release_reason == "order_canceled"
    assert events_of(saga)[-1] == "saga.late_fill"
    assert {step.status for step in saga.steps.all()} == {"completed"}
    assert Work(WorkKind.SETTLE, saga.order_id) not in find_work()


def test_order_the_broker_had_after_all_is_followed_and_cancelled(account: Outside) -> None:
    saga = passed()
    change(order_of(saga), status="unknown", created_at=ago(seconds=99), submitted_at=ago(seconds=99))
    assert advance_saga(saga.pk).status == "compensated"
    account.fill_never()
    account.place(STOCK, "2", client_order_id=order_of(saga).client_order_id)

    report = reconcile()

    assert f"{order_of(saga).client_order_id}: failed -> accepted" in report.healed
    assert Work(WorkKind.SETTLE, saga.order_id) in find_work()
    settle_order(saga.order_id)
    wait_until(lambda: settle_order(saga.order_id) and not order_of(saga).is_open, what="it is cancelled")
    assert order_of(saga).status == "canceled"
    assert Saga.objects.get().status == "compensated"


def test_more_filled_than_was_booked_corrects_the_trade(account: Outside) -> None:
    saga = advanced_to_its_end(passed().pk)
    trade, whole = Trade.objects.get(), order_of(saga).filled_quantity
    change(trade, quantity=whole / 2)
    change(order_of(saga), booked_quantity=whole / 2)
    assert Work(WorkKind.SETTLE, saga.order_id) in find_work()

    settle_order(saga.order_id)
    settle_order(saga.order_id)

    trade.refresh_from_db()
    assert trade.quantity == whole
    assert Trade.objects.count() == 1
    assert events_of(saga).count("saga.late_fill") == 1


def test_settling_what_is_settled_changes_nothing(account: Outside) -> None:
    saga = cancelled_unfilled(account)
    before = list(Event.objects.values_list("id", flat=True))

    settle_order(saga.order_id)

    assert list(Event.objects.values_list("id", flat=True)) == before


def test_position_sync_that_fails_leaves_the_saga_running(account: Outside) -> None:
    saga = filled_at_the_broker(account)
    account.venue.fault(kind="error", route="GET /v2/positions", times=1)

    with pytest.raises(UnavailableError):
        advance_saga(saga.pk)

    assert Saga.objects.get(pk=saga.pk).status == "running"
    assert saga.steps.get(name="update-position").status == "running"
    assert RiskReservation.objects.counting().exists()
    assert advanced_to_its_end(saga.pk).status == "completed"
