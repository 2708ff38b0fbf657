"""Legs are taken into the book together, with the rows and events that each alone would have."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from connectors.base import BrokerOrder, BrokerOrderStatus, OrderType, Side
from tests.factories import make_order
from tests.risk.threads import beside, waiters
from tests.waiting import wait_until
from trading.core.statements.moved_rows import Beside
from trading.models import Event, Order
from trading.orders import legs as legs_of_orders
from trading.orders.execution_reports import record_accepted, record_reported

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def reported(name: str, **changes: Any) -> BrokerOrder:
    usual = BrokerOrder(
        broker_order_id=f"broker-{name}",
        client_order_id=f"ours-{name}",
        symbol="AAPL",
        side=Side.SELL,
        quantity=Decimal(10),
        filled_quantity=Decimal(0),
        average_price=None,
        status=BrokerOrderStatus.ACCEPTED,
        status_detail="",
        submitted_at=AT,
        updated_at=AT,
        filled_at=None,
    )
    return replace(usual, **changes)


def bracket(order: Order, name: str) -> BrokerOrder:
    target = reported(f"{name}-target", order_type=OrderType.LIMIT, limit_price=Decimal(120))
    stop = reported(f"{name}-stop", order_type=OrderType.STOP, stop_price=Decimal(90))
    return reported(name, client_order_id=order.client_order_id, side=Side.BUY, legs=(target, stop))


def sending() -> Order:
    return make_order(status="submitting", quantity=Decimal(10), order_class="bracket")


def rows_and_events(parent: Order) -> list[Any]:
    """Return what is stored of an order's legs, without ids and times."""
    found: list[Any] = []
    for leg in parent.legs.order_by("purpose"):
        events = Event.objects.filter(aggregate_id=str(leg.pk)).order_by("position")
        said = [(each.type, each.sequence, each.public_sequence, each.payload) for each in events]
        for *_, payload in said:
            for changing in ("client_order_id", "parent"):
                payload.pop(changing, None)
            payload["quantity"] = str(Decimal(payload["quantity"]).normalize())
        columns = (leg.purpose, leg.status, leg.quantity, leg.limit_price, leg.stop_price, leg.side)
        found.append((*columns, leg.acknowledged_at is not None, said))
    return found


def test_legs_together_are_what_each_alone_is(monkeypatch: pytest.MonkeyPatch) -> None:
    together, alone = sending(), sending()

    record_reported(together, bracket(together, "one"), [])
    monkeypatch.setattr(legs_of_orders, "_take_resting", lambda *_: [])
    record_reported(alone, bracket(alone, "two"), [])

    assert rows_and_events(together) == rows_and_events(alone)
    assert len(rows_and_events(together)) == 2


def test_two_legs_cost_few_statements_and_none_the_second_time() -> None:
    order = sending()

    with CaptureQueriesContext(connection) as first:
        record_reported(order, bracket(order, "one"), [])
    stored = rows_and_events(order)
    with CaptureQueriesContext(connection) as again:
        record_reported(order, bracket(order, "one"), [])

    assert sum("SAVEPOINT" not in query["sql"] for query in first) <= 7
    assert sum("SAVEPOINT" not in query["sql"] for query in again) <= 3
    assert rows_and_events(order) == stored


def test_leg_that_somebody_has_met_first_is_taken_over() -> None:
    order = sending()
    stranger = make_order(
        decision=None, purpose="external", side="sell", status="accepted", broker_order_id="broker-one-stop"
    )

    record_reported(order, bracket(order, "one"), [])

    stranger.refresh_from_db()
    assert (stranger.purpose, stranger.parent_order_id) == ("stop_loss", order.pk)
    assert order.legs.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_first", [True, False])
def test_leg_that_somebody_meets_at_the_same_moment_is_taken_over(is_first: bool) -> None:
    order = (
        sending() if is_first else make_order(status="accepted", order_class="bracket", acknowledged_at=AT)
    )
    is_written = threading.Event()

    def adopt() -> None:
        with transaction.atomic():
            make_order(
                decision=None,
                purpose="external",
                side="sell",
                status="accepted",
                broker_order_id="broker-one-stop",
            )
            is_written.set()
            wait_until(lambda: waiters() > 0, what="the leg's insert waits for the stranger's")

    with beside(adopt):
        assert is_written.wait(120)
        record_reported(order, bracket(order, "one"), [])

    assert set(order.legs.values_list("purpose", flat=True)) == {"stop_loss", "take_profit"}
    assert not Order.objects.filter(purpose="external").exists()


def test_legs_of_which_one_is_known_leave_nothing_behind_when_they_are_stored_together() -> None:
    order = sending()
    stranger = make_order(
        decision=None, purpose="external", side="sell", status="accepted", broker_order_id="broker-one-stop"
    )

    record_reported(order, bracket(order, "one"), [])

    assert set(order.legs.values_list("broker_order_id", flat=True)) == {
        "broker-one-target",
        "broker-one-stop",
    }
    assert order.legs.get(purpose="stop_loss").pk == stranger.pk
    assert Event.objects.filter(type="order.created").count() == 1


def test_leg_that_has_sold_already_goes_its_own_way() -> None:
    order = sending()
    said = bracket(order, "one")
    gone = replace(said.legs[0], status=BrokerOrderStatus.CANCELED)

    record_reported(order, replace(said, legs=(gone, said.legs[1])), [])

    assert sorted(order.legs.values_list("purpose", "status")) == [
        ("stop_loss", "accepted"),
        ("take_profit", "canceled"),
    ]


def test_first_answer_leaves_the_same_rows_and_events_in_fewer_statements() -> None:
    by_report, by_answer = sending(), sending()
    record_reported(by_report, bracket(by_report, "a"), [])

    with CaptureQueriesContext(connection) as asked:
        row = record_accepted(by_answer, bracket(by_answer, "b"), Beside())

    assert rows_and_events(by_answer) == rows_and_events(by_report) != []
    assert row is not None
    assert (row.status, row.broker_order_id, row.lease_until) == ("accepted", "broker-b", None)
    stored = Order.objects.get(pk=row.pk)
    assert (row.acknowledged_at, row.posts) == (stored.acknowledged_at, stored.posts)
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) == 1


def test_first_answer_that_the_stream_was_faster_than_changes_nothing() -> None:
    order = sending()
    record_reported(order, bracket(order, "a"), [])
    known = rows_and_events(order)

    assert record_accepted(order, bracket(order, "a"), Beside()) is None

    assert rows_and_events(order) == known
    assert Event.objects.filter(aggregate_id=str(order.pk), type="order.accept").count() == 1


def test_first_answer_whose_leg_somebody_has_met_is_recorded_whole() -> None:
    order = sending()
    met = make_order(broker_order_id="broker-a-stop", purpose="external", decision=None)

    assert record_accepted(order, bracket(order, "a"), Beside()) is None
    row = record_reported(order, bracket(order, "a"), [])

    assert (row.status, row.legs.count()) == ("accepted", 2)
    assert Order.objects.get(pk=met.pk).parent_order_id == order.pk


def test_first_answer_that_says_more_than_that_it_rests_is_left_to_the_general_way() -> None:
    order = sending()
    filled = replace(
        bracket(order, "a"),
        status=BrokerOrderStatus.FILLED,
        filled_quantity=Decimal(10),
        average_price=Decimal(100),
    )

    assert record_accepted(order, filled, Beside()) is None
    assert Order.objects.get(pk=order.pk).status == "submitting"
