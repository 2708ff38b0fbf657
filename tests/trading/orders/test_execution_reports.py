"""What the broker says of an order only ever moves it forward, and may be told twice."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from connectors.base import BrokerOrder, BrokerOrderStatus, Side
from connectors.errors import UnavailableError
from tests.factories import make_order
from tests.risk.threads import at_once
from tests.trading.outside import STOCK, Outside
from tests.trading.scenes import ago, change, events_of
from trading.core.providers import current_providers
from trading.models import Fill, Order
from trading.orders.execution_reports import record_broker_order, record_fills
from trading.orders.submission import submit_order

S = BrokerOrderStatus


@pytest.fixture
def order(account: Outside) -> Order:
    """An order of 10 shares whose request is under way."""
    return make_order(symbol=STOCK, quantity=Decimal(10), status="submitting", lease_until=ago(seconds=-20))


def told(order: Order, status: S, filled: int = 0, **overrides: Any) -> BrokerOrder:
    now = timezone.now()
    word = BrokerOrder(
        broker_order_id="b-1",
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=Side.BUY,
        status=status,
        status_detail=status.value,
        quantity=order.quantity,
        filled_quantity=Decimal(filled),
        average_price=Decimal(20) if filled else None,
        submitted_at=now,
        updated_at=now,
        filled_at=None,
    )
    return replace(word, **overrides)


def test_acknowledgement_is_noted_once_and_ends_the_lease(order: Order) -> None:
    first = record_broker_order(order, told(order, S.ACCEPTED))
    second = record_broker_order(order, told(order, S.ACCEPTED))

    assert (first.status, first.broker_order_id, first.lease_until) == ("accepted", "b-1", None)
    assert second.acknowledged_at == first.acknowledged_at is not None
    assert events_of(order) == ["order.accept"]


def test_fills_come_in_parts_with_their_average(order: Order) -> None:
    record_broker_order(order, told(order, S.PARTIALLY_FILLED, 4))
    again = record_broker_order(order, told(order, S.PARTIALLY_FILLED, 4))
    filled = record_broker_order(order, told(order, S.FILLED, 10, average_price=Decimal(21)))

    assert (again.status, again.filled_quantity) == ("partially_filled", 4)
    assert (filled.status, filled.filled_quantity, filled.average_price) == ("filled", 10, 21)
    assert filled.ended_at is not None
    assert events_of(order) == ["order.partial_fill", "order.fill"]


def test_more_of_a_partial_fill_is_an_event_of_its_own(order: Order) -> None:
    record_broker_order(order, told(order, S.PARTIALLY_FILLED, 4))
    more = record_broker_order(order, told(order, S.PARTIALLY_FILLED, 7))

    assert more.filled_quantity == 7
    assert events_of(order) == ["order.partial_fill", "order.partial_fill"]


@pytest.mark.parametrize(
    ("status", "filled"),
    [(S.ACCEPTED, 0), (S.PARTIALLY_FILLED, 4), (S.CANCELED, 4), (S.CANCELED, 10), (S.REJECTED, 0)],
)
def test_old_news_never_take_a_filled_order_back(order: Order, status: S, filled: int) -> None:
    record_broker_order(order, told(order, S.FILLED, 10))

    kept = record_broker_order(order, told(order, status, filled))

    assert (kept.status, kept.filled_quantity) == ("filled", 10)
    assert events_of(order) == ["order.fill"]


def test_smaller_fill_than_recorded_changes_nothing(order: Order) -> None:
    record_broker_order(order, told(order, S.PARTIALLY_FILLED, 6))

    kept = record_broker_order(order, told(order, S.CANCELED, 4))

    assert (kept.status, kept.filled_quantity) == ("partially_filled", 6)


def test_late_fill_wins_over_the_cancel_it_raced(order: Order) -> None:
    record_broker_order(order, told(order, S.CANCELED))

    filled = record_broker_order(order, told(order, S.FILLED, 10))

    assert (filled.status, filled.filled_quantity) == ("filled", 10)
    assert events_of(order) == ["order.cancel", "order.fill"]


def test_cancel_after_a_partial_fill_keeps_what_filled(order: Order) -> None:
    record_broker_order(order, told(order, S.PARTIALLY_FILLED, 3))

    canceled = record_broker_order(order, told(order, S.CANCELED, 3))

    assert (canceled.status, canceled.filled_quantity) == ("canceled", 3)


def test_fill_that_outran_our_own_acknowledgement_counts(order: Order) -> None:
    change(order, status="unknown")

    assert record_broker_order(order, told(order, S.FILLED, 10)).status == "filled"


def test_rejection_keeps_the_brokers_word(order: Order) -> None:
    rejected = record_broker_order(order, told(order, S.REJECTED, status_detail="rejected"))

    assert (rejected.status, rejected.broker_message) == ("rejected", "rejected")


@pytest.mark.parametrize("status", [S.EXPIRED, S.REPLACED])
def test_order_can_end_unfilled(order: Order, status: S) -> None:
    ended = record_broker_order(order, told(order, status))

    assert ended.status == status.value
    assert not ended.is_open


def test_executions_are_recorded_with_the_brokers_ids(account: Outside) -> None:
    account.venue.fault(kind="partial_fill", fraction=0.4, seconds=0.05)
    order = make_order(symbol=STOCK, quantity=Decimal(10))
    submit_order(order.pk)
    account.wait_filled(order.client_order_id)
    order.refresh_from_db()
    broker_order = current_providers().broker.order_by_client_order_id(order.client_order_id)
    assert broker_order is not None

    filled = record_broker_order(order, broker_order)
    record_broker_order(order, broker_order)

    fills = list(Fill.objects.order_by("executed_at"))
    assert [fill.quantity for fill in fills] == [4, 6]
    assert {(fill.symbol, fill.side, fill.cycle_id) for fill in fills} == {(STOCK, "buy", order.cycle_id)}
    value = sum(fill.quantity * fill.price for fill in fills)
    assert filled.average_price is not None
    assert value / 10 == pytest.approx(filled.average_price, abs=Decimal("1e-6"))


def test_executions_that_cannot_be_read_leave_the_order_as_it_was(account: Outside) -> None:
    order = make_order(symbol=STOCK, quantity=Decimal(1))
    submit_order(order.pk)
    account.wait_filled(order.client_order_id)
    before = Order.objects.get().status
    broker_order = current_providers().broker.order_by_client_order_id(order.client_order_id)
    assert broker_order is not None
    account.venue.fault(kind="error", route="*/activities/FILL", times=1)

    with pytest.raises(UnavailableError, match="fills"):
        record_broker_order(Order.objects.get(), broker_order)

    assert Order.objects.get().status == before
    assert record_broker_order(Order.objects.get(), broker_order).status == "filled"


def test_execution_told_twice_is_stored_once(account: Outside) -> None:
    account.hold(STOCK, "1")
    fills = current_providers().broker.fills(after=timezone.now() - timedelta(days=9000))
    order = make_order(symbol=STOCK, quantity=Decimal(1), filled_quantity=Decimal(1))

    record_fills(order, fills[-1:])
    record_fills(order, fills[-1:])

    assert Fill.objects.get().execution_id == fills[-1].execution_id


def test_many_tell_at_once_and_the_order_moves_once(threaded_account: Outside) -> None:
    order = make_order(symbol=STOCK, quantity=Decimal(10), status="submitting")
    words = [told(order, S.ACCEPTED), told(order, S.PARTIALLY_FILLED, 4), told(order, S.FILLED, 10)]

    at_once(9, lambda number: record_broker_order(order, words[number % 3]))

    assert (Order.objects.get().status, Order.objects.get().filled_quantity) == ("filled", 10)
    assert events_of(order).count("order.fill") == 1
