"""An order's saga: it completes, is undone, or times out; and a crash anywhere changes nothing of that."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.errors import UnavailableError
from risk.models import RiskReservation
from tests.factories import make_engagement, switch_guards_off
from tests.risk.threads import at_once
from tests.trading.outside import COIN, ORDERS, STOCK, Outside
from tests.trading.scenes import (
    advanced_to_its_end,
    ago,
    change,
    events_of,
    open_cycle,
    order_of,
    passed,
    reservation_of,
)
from tests.waiting import wait_until
from trading.core import transitions
from trading.core.settings import set_runtime_setting
from trading.cycle.cycles import complete_cycle
from trading.execution import confirmation, sagas, settlement
from trading.execution.sagas import advance_saga
from trading.models import AIDecision, Cycle, Order, Position, Saga, Trade
from trading.orders import broker_stream, execution_reports
from trading.orders.submission import submit_order


@pytest.fixture(autouse=True)
def one_attempt(account: Outside) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")


def steps_of(saga: Saga) -> dict[str, str]:
    return {step.name: step.status for step in saga.steps.all()}


def outcome(saga: Saga) -> tuple[str, str, str, str]:
    """Return the status of saga, order and decision, and why the reservation ended."""
    saga.refresh_from_db()
    decision = AIDecision.objects.get(pk=saga.decision_id)
    return saga.status, order_of(saga).status, decision.status, reservation_of(saga).release_reason


COMPLETED = ("completed", "filled", "executed", "position_synced")


def test_order_that_fills_completes_its_saga(account: Outside) -> None:
    saga = advanced_to_its_end(passed().pk)

    assert outcome(saga) == COMPLETED
    assert set(steps_of(saga).values()) == {"completed"}
    order, trade, position = order_of(saga), Trade.objects.get(), Position.objects.get()
    assert (trade.quantity, trade.price) == (order.filled_quantity, order.average_price)
    assert (trade.order, trade.decision) == (order, saga.decision)
    assert trade.realised_pnl is None
    assert position.quantity == order.quantity == account.positions()[STOCK]
    assert sum(fill.quantity for fill in order.fills.all()) == order.quantity
    assert events_of(saga) == ["saga.created", "saga.complete"]
    assert len(account.posts()) == 1


def test_exit_books_its_realised_profit(account: Outside) -> None:
    """docs/lessons.md#lesson-15, #lesson-38."""
    account.hold(COIN, "0.5")
    open_cycle()
    entry_price = Position.objects.get().average_entry_price

    saga = advanced_to_its_end(passed(COIN, "sell").pk)

    trade = Trade.objects.get()
    expected = (trade.price * Decimal("0.9975") - entry_price) * trade.quantity
    assert trade.realised_pnl == pytest.approx(expected, abs=Decimal("0.0001"))
    assert trade.realised_pnl < 0
    assert not Position.objects.exists()
    assert COIN not in account.positions()
    assert outcome(saga) == COMPLETED


def test_coin_bought_and_sold_sells_what_is_held_and_earns_what_the_cash_changed(account: Outside) -> None:
    """docs/lessons.md#lesson-38: the fee was taken in the coin, so less is held than was filled."""
    switch_guards_off()
    cash = Decimal(account.venue.get("/v2/account")["cash"])
    bought = advanced_to_its_end(passed(COIN).pk)
    complete_cycle(Cycle.objects.get())
    held = Position.objects.get().quantity

    sold = order_of(advanced_to_its_end(passed(COIN, "sell").pk))

    assert sold.quantity == held < order_of(bought).filled_quantity
    assert COIN not in account.positions()
    change_of_cash = Decimal(account.venue.get("/v2/account")["cash"]) - cash
    pnl = Trade.objects.get(order=sold).realised_pnl
    assert pnl == pytest.approx(change_of_cash, abs=Decimal("0.02"))


def test_rejected_order_gives_its_room_back(account: Outside) -> None:
    account.venue.fault(kind="reject_order", status=403, body="account is restricted", times=1)
    saga = passed()

    advance_saga(saga.pk)

    assert outcome(saga) == ("compensated", "rejected", "rejected", "broker_rejected")
    assert steps_of(saga) == {
        "validate-risk": "compensated",
        "submit-order": "failed",
        "confirm-fill": "skipped",
        "update-position": "skipped",
    }
    decision = AIDecision.objects.get()
    assert decision.reason == "broker_rejected"
    assert "account is restricted" in decision.reason_detail
    assert "account is restricted" in saga.error
    assert not RiskReservation.objects.counting().exists()
    assert events_of(saga) == ["saga.created", "saga.compensate", "saga.compensated"]
    assert not Trade.objects.exists()


def test_order_rejected_after_its_acknowledgement_is_undone_too(
    account: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    account.venue.fault(kind="reject_order", times=1)

    saga = advanced_to_its_end(passed().pk)

    (line,) = [record for record in caplog.records if "order_rejected" in str(record.msg)]
    assert line.levelname == "ERROR"
    assert isinstance(line.msg, dict)
    assert (line.msg["side"], line.msg["quantity"]) == ("buy", str(saga.order.quantity))

    assert outcome(saga) == ("compensated", "rejected", "rejected", "broker_rejected")
    assert steps_of(saga)["submit-order"] == "completed"
    assert steps_of(saga)["confirm-fill"] == "failed"


def test_order_that_was_never_taken_is_a_failure(account: Outside) -> None:
    saga = passed()
    change(order_of(saga), status="unknown", created_at=ago(seconds=99), submitted_at=ago(seconds=99))

    advance_saga(saga.pk)

    assert outcome(saga) == ("compensated", "failed", "failed", "order_never_taken")


def test_order_that_was_not_taken_goes_back_to_the_queue_for_the_length_of_its_pause(
    account: Outside,
) -> None:
    account.venue.fault(kind="error", status=503, route=ORDERS)
    set_runtime_setting(name="order_attempts", value="3", actor="test")
    set_runtime_setting(name="retry_base", value="5", actor="test")
    saga = passed()

    waiting = advance_saga(saga.pk)

    order = order_of(saga)
    assert (order.status, order.posts) == ("unknown", 1)
    assert waiting.next_poll_at == order.next_try_at
    assert order.next_try_at >= order.submitted_at + timedelta(seconds=5)
    change(order, next_try_at=ago(seconds=-50))  # a busy machine may be here after five seconds
    advance_saga(saga.pk)
    assert len(account.posts()) == 1, "posted before its pause was over"


def test_order_whose_attempts_are_used_up_gives_its_room_back_when_the_broker_never_had_it(
    account: Outside,
) -> None:
    account.venue.fault(kind="error", status=503, route=ORDERS)
    saga = passed()
    advance_saga(saga.pk)
    assert (outcome(saga)[3], len(account.posts())) == ("", 1)
    change(order_of(saga), submitted_at=ago(seconds=31), next_try_at=None)

    advance_saga(saga.pk)

    assert outcome(saga) == ("compensated", "failed", "failed", "order_never_taken")
    assert AIDecision.objects.get().reason_detail == "posted once, and the broker never had it"
    assert len(account.posts()) == 1


def test_visit_that_brings_the_order_out_is_noted_once_it_has(account: Outside) -> None:
    broker_stream.note_alive()
    account.fill_never()
    saga = passed()
    assert saga.next_poll_at > ago() + confirmation.POLL_INTERVAL

    advance_saga(saga.pk)

    step, order = saga.steps.get(name="submit-order"), order_of(saga)
    assert (step.status, step.attempts, step.started_at) == ("completed", 1, order.submitted_at)
    saga.refresh_from_db()
    assert ago() < saga.next_poll_at <= ago() + confirmation.POLL_INTERVAL


def test_visit_that_fails_is_noted_as_one(account: Outside) -> None:
    account.venue.fault(kind="error", status=503, route=ORDERS)
    saga = passed()

    advance_saga(saga.pk)

    step = saga.steps.get(name="submit-order")
    assert (step.status, step.attempts) == ("running", 1)


def test_intent_too_old_expires_with_its_decision(account: Outside) -> None:
    saga = passed()
    change(order_of(saga), created_at=ago(seconds=99))

    advance_saga(saga.pk)

    assert outcome(saga) == ("compensated", "expired", "expired", "order_expired")
    assert account.posts() == []


def test_order_that_rests_keeps_its_saga_running_and_its_room(account: Outside) -> None:
    account.fill_never()
    saga = passed()

    advance_saga(saga.pk)
    waiting = advance_saga(saga.pk)

    assert outcome(saga) == ("running", "accepted", "executing", "")
    assert steps_of(saga)["confirm-fill"] == "running"
    assert waiting.next_poll_at > ago()
    assert len(account.posts()) == 1


def test_order_that_rests_too_long_is_cancelled_and_undone(account: Outside) -> None:
    account.fill_never()
    saga = passed()
    advance_saga(saga.pk)
    change(saga, deadline_at=ago(seconds=1))

    advanced_to_its_end(saga.pk)

    assert outcome(saga) == ("compensated", "canceled", "expired", "order_canceled")
    assert account.order(order_of(saga).client_order_id)["status"] == "canceled"


def test_entry_that_arrives_after_the_switch_was_engaged_is_cancelled(account: Outside) -> None:
    """Invariant 4: bytes of a killed sender may arrive after the switch's own cancels."""
    account.fill_never()
    account.venue.fault(kind="reset_after", route=ORDERS, times=1)
    saga = passed()
    advance_saga(saga.pk)
    make_engagement()

    advanced_to_its_end(saga.pk)

    assert outcome(saga) == ("compensated", "canceled", "expired", "order_canceled")
    assert account.order(order_of(saga).client_order_id)["status"] == "canceled"
    assert len(account.posts()) == 1


def test_exit_under_way_is_left_resting_when_the_switch_is_engaged(account: Outside) -> None:
    account.hold(STOCK, "2")
    account.fill_never()
    open_cycle()
    saga = passed(STOCK, "sell")
    advance_saga(saga.pk)
    make_engagement()

    advance_saga(saga.pk)

    assert outcome(saga)[:2] == ("running", "accepted")


def test_timeout_settles_to_what_had_filled(account: Outside) -> None:
    """docs/lessons.md#lesson-37: the position is what filled, not what was ordered."""
    account.venue.fault(kind="partial_fill", fraction=0.25)
    saga = passed()
    advance_saga(saga.pk)
    wait_until(lambda: account.positions(), what="a part is filled")
    change(saga, deadline_at=ago(seconds=1))

    advanced_to_its_end(saga.pk)

    order = order_of(saga)
    assert outcome(saga) == ("completed", "canceled", "executed", "position_synced")
    assert order.quantity is not None
    assert 0 < order.filled_quantity < order.quantity
    assert Trade.objects.get().quantity == order.filled_quantity == Position.objects.get().quantity


def test_cancel_that_comes_late_finds_the_fill(account: Outside) -> None:
    saga = passed()
    advance_saga(saga.pk)
    account.wait_filled(order_of(saga).client_order_id)
    change(saga, deadline_at=ago(seconds=1))

    advance_saga(saga.pk)

    assert outcome(saga) == COMPLETED


def test_broker_that_is_away_leaves_the_saga_to_be_tried_again(account: Outside) -> None:
    account.fill_never()
    saga = passed()
    advance_saga(saga.pk)
    account.venue.fault(kind="error", route="GET /v2/orders", times=1)

    with pytest.raises(UnavailableError):
        advance_saga(saga.pk)

    assert outcome(saga)[0] == "running"
    advance_saga(saga.pk)


def test_order_the_broker_no_longer_knows_stays_as_it_is(account: Outside) -> None:
    account.fill_never()
    saga = passed()
    advance_saga(saga.pk)
    account.venue.fault(kind="error", status=200, route="^GET /v2/orders$", body=[])
    account.venue.fault(kind="error", status=404, route="GET /v2/orders/*", body={"message": "not found"})

    advance_saga(saga.pk)

    assert outcome(saga)[:2] == ("running", "accepted")


def test_saga_that_has_ended_is_left_alone(account: Outside) -> None:
    saga = advanced_to_its_end(passed().pk)
    asked = len(account.requests())

    again = advance_saga(saga.pk)

    assert again.ended_at == saga.ended_at
    assert len(account.requests()) == asked


class CrashError(BaseException):
    """Stands for kill -9: nothing catches it."""


def crash_at(patch: pytest.MonkeyPatch, module: Any, name: str, when: str) -> None:
    """Let ``module.name`` crash the process, before it does its work or after."""
    real: Callable[..., Any] = getattr(module, name)

    def crash(*args: Any, **options: Any) -> Any:
        if when == "after":
            real(*args, **options)
        raise CrashError

    patch.setattr(module, name, crash)


POINTS = [
    (sagas, "submit_order"),
    (execution_reports, "record_reported"),
    (settlement, "sync_portfolio"),
    (settlement, "book_trades"),
    (settlement.risk_book, "releasing"),
    (settlement.saga_steps, "complete_all"),
    (transitions, "apply_all"),
    (sagas.saga_steps, "begin"),
    (sagas.saga_steps, "end"),
    (execution_reports, "record_fills"),
    (transitions, "move_and_tell"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("module", "name"), POINTS, ids=[name for _, name in POINTS])
def test_crash_at_any_step_ends_the_same(
    account: Outside, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, when: str
) -> None:
    """docs/lessons.md#lesson-22: money in flight survives a restart, ordered and booked once."""
    saga = passed()
    # Who is killed between the claim and the request has posted once too often, as it was counted before.
    set_runtime_setting(name="order_attempts", value="2", actor="test")
    with monkeypatch.context() as patch:
        crash_at(patch, module, name, when)
        with pytest.raises(CrashError):
            advanced_to_its_end(saga.pk)
    change(order_of(saga), lease_until=None)

    advanced_to_its_end(saga.pk)

    assert outcome(saga) == COMPLETED
    assert set(steps_of(saga).values()) == {"completed"}
    order = order_of(saga)
    assert len(account.posts(order.client_order_id)) == 1
    assert Trade.objects.get().quantity == order.quantity == account.positions()[STOCK]
    assert sum(fill.quantity for fill in order.fills.all()) == order.quantity
    assert events_of(order).count("order.fill") == 1


@pytest.mark.parametrize("name", ["undo", "release", "move_and_tell"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_crash_while_undoing_ends_the_same(
    account: Outside, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    account.venue.fault(kind="reject_order", status=403, times=1)
    saga = passed()
    submit_order(saga.order_id)
    with monkeypatch.context() as patch:
        crash_at(patch, transitions if name == "move_and_tell" else sagas.compensation, name, when)
        with pytest.raises(CrashError):
            advance_saga(saga.pk)

    advance_saga(saga.pk)

    assert outcome(saga) == ("compensated", "rejected", "rejected", "broker_rejected")
    assert events_of(saga) == ["saga.created", "saga.compensate", "saga.compensated"]


def test_request_lost_on_both_ways_books_one_order(account: Outside) -> None:
    """docs/lessons.md#lesson-36."""
    set_runtime_setting(name="order_attempts", value="2", actor="test")
    account.venue.fault(kind="reset_before", route=ORDERS, times=1)
    account.venue.fault(kind="reset_after", route=ORDERS, times=1)
    saga = advanced_to_its_end(passed().pk)

    assert outcome(saga) == COMPLETED
    assert [r["status"] for r in account.posts()] == ["reset", "reset"]
    assert account.positions() == {STOCK: order_of(saga).quantity}


def test_many_advance_at_once_and_it_is_booked_once(threaded_account: Outside) -> None:
    saga = passed()
    submit_order(saga.order_id)
    account = threaded_account
    account.wait_filled(order_of(saga).client_order_id)

    at_once(8, lambda _: advance_saga(saga.pk))

    assert outcome(saga) == COMPLETED
    assert Trade.objects.count() == 1
    assert len(account.posts()) == 1
    assert events_of(saga) == ["saga.created", "saga.complete"]
    assert order_of(saga).fills.count() == 1


def test_many_submit_at_once_and_one_request_leaves(threaded_account: Outside) -> None:
    saga = passed()

    at_once(8, lambda _: advance_saga(saga.pk))

    assert len(threaded_account.posts()) == 1
    assert Order.objects.get().attempts == 1
