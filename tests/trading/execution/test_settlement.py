"""Many orders that have filled are settled by one position sync, and booked together or each by itself."""

from contextlib import nullcontext
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import IntegrityError

from risk.models import RiskReservation
from tests.risk.threads import at_once
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, ago, change, events_of, order_of, passed
from trading.core.providers import current_providers
from trading.core.settings import set_runtime_setting
from trading.execution import settlement
from trading.execution.portfolio import sync_portfolio
from trading.execution.sagas import advance_saga
from trading.models import AIDecision, Fill, Order, Position, Saga, Trade
from trading.models.portfolio import next_in_order
from trading.orders.execution_reports import record_broker_order, record_missing
from trading.orders.submission import submit_order

SYMBOLS = (STOCK, OTHER_STOCK, COIN)


@pytest.fixture(autouse=True)
def one_attempt(account: Outside) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")


def filled(account: Outside, *symbols: str) -> list[Saga]:
    """Return sagas whose orders have filled, as the broker's stream has told."""
    sagas = [passed(symbol, size_percent=2) for symbol in symbols]
    for saga in sagas:
        fill(account, saga)
    return sagas


def fill(account: Outside, saga: Saga) -> None:
    order = submit_order(saga.order_id)
    account.wait_filled(order.client_order_id)
    reported = current_providers().broker.order(str(order.broker_order_id))
    assert reported is not None
    record_broker_order(order, reported)


def asked(account: Outside, before: int) -> list[str]:
    return [f"{r['method']} {r['path']}" for r in account.requests()[before:]]


def statuses(sagas: list[Saga]) -> set[tuple[str, str, str]]:
    found = Saga.objects.filter(pk__in=[saga.pk for saga in sagas])
    return set(found.values_list("status", "order__status", "decision__status"))


def test_one_sync_settles_all_that_have_filled(account: Outside) -> None:
    sagas = filled(account, *SYMBOLS)
    before = len(account.requests())

    advance_saga(sagas[0].pk)

    assert asked(account, before) == ["GET /v2/clock", "GET /v2/account", "GET /v2/positions"]
    assert statuses(sagas) == {("completed", "filled", "executed")}
    assert set(Trade.objects.values_list("symbol", flat=True)) == set(SYMBOLS)
    assert not RiskReservation.objects.counting().exists()
    steps = [step for saga in sagas for step in saga.steps.all()]
    assert {step.status for step in steps} == {"completed"}
    assert all(step.started_at and step.ended_at and step.attempts for step in steps)
    assert all(events_of(saga) == ["saga.created", "saga.complete"] for saga in sagas)


def filled_with_a_part_untold(account: Outside, symbol: str) -> Saga:
    """Return a saga whose order has filled in two parts, of which the stream has told the second alone."""
    account.venue.fault(kind="partial_fill", fraction=0.4, seconds=0.05, symbols=[symbol], times=1)
    (saga,) = filled(account, symbol)
    first = Fill.objects.filter(order=saga.order_id).order_by("executed_at").first()
    assert first is not None
    first.delete()
    return saga


def test_executions_that_the_stream_lost_are_asked_for_together_before_the_trade_is_booked(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    sagas = [filled_with_a_part_untold(account, symbol) for symbol in (STOCK, OTHER_STOCK)]
    # Not requests: the account has as many pages of executions as the tests before this one left it.
    asking = Mock(wraps=record_missing)
    monkeypatch.setattr(settlement, "record_missing", asking)

    for saga in sagas:
        advance_saga(saga.pk)

    assert 1 <= asking.call_count <= len(sagas)
    assert statuses(sagas) == {("completed", "filled", "executed")}
    for order in Order.objects.all():
        fills = list(order.fills.order_by("executed_at"))
        assert len(fills) == 2
        assert sum(fill.quantity for fill in fills) == order.filled_quantity
        assert order.trade.traded_at == fills[-1].executed_at


@pytest.mark.parametrize(
    "fault", [{"kind": "error", "status": 500}, {"kind": "alter", "body": {"order_id": "x"}}]
)
def test_executions_that_the_broker_does_not_list_yet_are_waited_for_but_not_for_ever(
    account: Outside, fault: dict[str, Any]
) -> None:
    saga = filled_with_a_part_untold(account, STOCK)
    account.venue.fault(route="GET /v2/account/activities*", **fault)

    assert advance_saga(saga.pk).status == "running"
    assert not Trade.objects.exists()

    change(order_of(saga), ended_at=ago(seconds=60))
    change(saga, deadline_at=ago(seconds=60))
    saga.steps.filter(name="update-position").update(started_at=ago(seconds=90))
    assert advance_saga(saga.pk).status == "completed"
    assert Trade.objects.get().quantity == order_of(saga).filled_quantity


def test_visit_of_one_that_is_settled_already_asks_nothing(account: Outside) -> None:
    sagas = filled(account, *SYMBOLS)
    advance_saga(sagas[0].pk)
    before = len(account.requests())

    for saga in sagas:
        advance_saga(saga.pk)

    assert asked(account, before) == []


def test_buys_and_sales_are_booked_as_each_by_itself(account: Outside) -> None:
    account.hold(COIN, "0.5")
    sync_portfolio(None)
    cost = Position.objects.get(pk=COIN).average_entry_price
    buy = passed(STOCK)
    sale = passed(COIN, "sell")
    for saga in (buy, sale):
        fill(account, saga)

    advance_saga(buy.pk)

    bought, sold = Trade.objects.get(symbol=STOCK), Trade.objects.get(symbol=COIN)
    assert bought.realised_pnl is None
    expected = (sold.price * Decimal("0.9975") - cost) * sold.quantity
    assert sold.realised_pnl == pytest.approx(expected, abs=Decimal("0.0001"))


def test_one_that_cannot_be_stored_leaves_the_others_alone(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    sagas = filled(account, *SYMBOLS)
    spoilt = order_of(sagas[1]).symbol
    real = settlement.book_trades

    def refuse(orders: Any) -> Any:
        if any(order.symbol == spoilt for order, _ in orders):
            raise IntegrityError("no place for it")
        return real(orders)

    monkeypatch.setattr(settlement, "book_trades", refuse)

    advance_saga(sagas[0].pk)

    ended = {order_of(saga).symbol: Saga.objects.get(pk=saga.pk).status for saga in sagas}
    assert ended == {STOCK: "completed", OTHER_STOCK: "running", COIN: "completed"}
    monkeypatch.undo()
    assert advance_saga(sagas[1].pk).status == "completed"


def test_order_that_filled_after_the_sync_was_asked_for_waits_for_the_next(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = filled(account, STOCK, OTHER_STOCK)
    real, syncs = settlement.sync_portfolio, []

    def late(*args: Any, **options: Any) -> Any:
        truth = real(*args, **options)
        if not syncs:  # the second's end is recorded while the first sync is under way
            Order.objects.filter(pk=second.order_id).update(ended_sequence=next_in_order())
        syncs.append(truth)
        return truth

    monkeypatch.setattr(settlement, "sync_portfolio", late)

    advance_saga(first.pk)

    assert len(syncs) == 2
    assert statuses([first, second]) == {("completed", "filled", "executed")}


def test_who_finds_the_sync_taken_leaves_its_saga_to_the_other(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    (saga,) = filled(account, STOCK)
    before = len(account.requests())

    monkeypatch.setattr(settlement, "only_one", lambda _: nullcontext(False))

    assert advance_saga(saga.pk).status == "running"

    assert asked(account, before) == []
    assert Saga.objects.get().next_poll_at <= ago() + settlement.FILLED_SOON


def test_eight_processes_settle_each_once(threaded_account: Outside) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")
    sagas = filled(threaded_account, *SYMBOLS)

    at_once(8, lambda number: advance_saga(sagas[number % len(sagas)].pk))
    for saga in sagas:
        advance_saga(saga.pk)

    assert statuses(sagas) == {("completed", "filled", "executed")}
    assert Trade.objects.count() == len(sagas)
    assert all(events_of(saga).count("saga.complete") == 1 for saga in sagas)
    decisions = AIDecision.objects.filter(pk__in=[saga.decision_id for saga in sagas])
    assert all(events_of(decision).count("decision.complete") == 1 for decision in decisions)


def test_late_fill_beside_others_is_booked_as_one(account: Outside) -> None:
    first, late = filled(account, STOCK, OTHER_STOCK)
    change(late, status="compensating")

    advance_saga(first.pk)

    assert statuses([first, late]) == {("completed", "filled", "executed")}
    assert events_of(late)[-1] == "saga.late_fill"


def test_sale_waits_for_no_order_that_is_to_come_by_a_stepped_clock(account: Outside) -> None:
    first, other = passed(STOCK), passed(OTHER_STOCK)
    change(order_of(first), ended_at=ago())
    change(order_of(other), created_at=ago(days=-1))

    assert not settlement.is_waited_for(order_of(first))
    change(order_of(other), created_at=ago())
    assert settlement.is_waited_for(order_of(first))
    change(order_of(first), ended_at=ago(seconds=3))
    assert not settlement.is_waited_for(order_of(first))


def test_what_is_left_to_the_last_is_looked_at_again_soon(account: Outside) -> None:
    first, other = passed(STOCK), passed(OTHER_STOCK)
    change(order_of(first), ended_at=ago())
    change(first, next_poll_at=ago(seconds=-60))

    assert settlement.leave_to_the_last(first, order_of(first))
    assert Saga.objects.get(pk=first.pk).next_poll_at <= ago() + settlement.FILLED_SOON

    change(first, next_poll_at=(later := ago(seconds=-60)))
    change(order_of(other), created_at=ago(seconds=30))
    assert not settlement.leave_to_the_last(first, order_of(first))
    assert Saga.objects.get(pk=first.pk).next_poll_at == later


def test_room_of_what_the_positions_do_not_hold_yet_stays_reserved(account: Outside) -> None:
    """The stream may be ahead of the broker's own positions: the room would be given out twice."""
    (saga,) = filled(account, STOCK)
    account.venue.fault(kind="error", status=200, route="^GET /v2/positions$", body=[], times=2)

    assert advance_saga(saga.pk).status == "completed"
    sync_portfolio(None)

    assert RiskReservation.objects.counting().count() == 1
    assert Trade.objects.count() == 1
    sync_portfolio(None)
    assert not RiskReservation.objects.counting().exists()
    assert Position.objects.get().quantity == order_of(saga).filled_quantity


def test_room_of_what_never_comes_is_given_back_in_the_end(account: Outside) -> None:
    (saga,) = filled(account, STOCK)
    account.venue.fault(kind="error", status=200, route="^GET /v2/positions$", body=[])
    advance_saga(saga.pk)
    change(order_of(saga), ended_at=ago(seconds=11))

    sync_portfolio(None)

    assert not RiskReservation.objects.counting().exists()


def test_order_whose_word_cannot_be_stored_holds_no_other_up(account: Outside) -> None:
    """More filled than was ordered: no row of ours takes that, and the list has all the others, too."""
    sagas = [passed(symbol, size_percent=2) for symbol in (STOCK, OTHER_STOCK)]
    orders = [submit_order(saga.order_id) for saga in sagas]
    for order in orders:
        account.wait_filled(order.client_order_id)
    listed = account.venue.get("/v2/orders?status=all&limit=500")
    told = [
        row | {"qty": "10000", "filled_qty": "9999"} if row["id"] == orders[0].broker_order_id else row
        for row in listed
    ]
    account.venue.fault(kind="error", route="^GET /v2/orders$", status=200, body=told, times=1)

    assert advanced_to_its_end(sagas[1].pk).status == "completed"

    assert Order.objects.get(pk=orders[0].pk).status == "accepted"
    assert advanced_to_its_end(sagas[0].pk).status == "completed"


def test_saga_past_its_time_is_not_ended_while_another_settles(
    account: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    (saga,) = filled(account, STOCK)
    change(saga, started_at=ago(seconds=400), deadline_at=ago(seconds=100))
    saga.steps.filter(name="update-position").update(started_at=ago(seconds=90))

    with monkeypatch.context() as patch:
        patch.setattr(settlement, "only_one", lambda _: nullcontext(False))
        assert advance_saga(saga.pk).status == "running"
    assert advance_saga(saga.pk).status == "completed"
