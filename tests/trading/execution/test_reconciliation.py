"""Differences with the broker are found and healed toward the broker, and the second look finds none."""

from decimal import Decimal

import pytest
from django.db import connection

from connectors.errors import UnavailableError
from tests.factories import make_order, make_position
from tests.trading.outside import COIN, OTHER_STOCK, STOCK, Outside
from tests.trading.scenes import ago, change, events_of
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.execution.reconciliation import reconcile
from trading.models import Event, Fill, Order, Position, Trade
from trading.orders.submission import submit_order
from trading.queries.event_words import line_of

NOTHING: list[str] = []


def agreed() -> bool:
    report = reconcile()
    return (report.adopted, report.healed, report.positions) == (NOTHING, NOTHING, NOTHING)


@pytest.fixture(autouse=True)
def one_attempt(account: Outside) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")


def test_nothing_different_is_nothing_told(account: Outside) -> None:
    assert agreed()


def test_order_the_database_refuses_is_said_and_the_rest_goes_on(account: Outside) -> None:
    """Its broker's id stands at another order of ours: somebody has to look."""
    refused, taken = (f"stranger-{n}-{ago():%H%M%S%f}" for n in (1, 2))
    make_order(
        symbol=STOCK, status="filled", broker_order_id=account.place(STOCK, "2", client_order_id=refused)
    )
    account.place(STOCK, "1", client_order_id=taken)

    report = reconcile()

    assert report.adopted == [taken]
    assert [line.split(" ")[0] for line in report.refused] == [refused]
    assert "broker_order_id" in report.refused[0]
    told = Event.objects.get(type="reconciliation.difference", aggregate_id=refused[:64])
    assert told.payload["here"].startswith("refused: ")


def test_order_too_large_for_its_columns_is_said_likewise(account: Outside) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is pending would forbid the change
        cursor.execute("ALTER TABLE orders ALTER symbol TYPE varchar(3) USING left(symbol, 3)")
    client_order_id = f"stranger-{ago():%H%M%S%f}"
    account.place(STOCK, "1", client_order_id=client_order_id)

    report = reconcile()

    assert (report.adopted, len(report.refused)) == (NOTHING, 1)
    assert report.refused[0].startswith(client_order_id)
    assert "value too long for type character varying(3)" in report.refused[0]


def test_strangers_order_is_adopted_as_external(account: Outside) -> None:
    """docs/lessons.md#lesson-33: an order that did not pass the gate is seen, and counted."""
    account.place(STOCK, "2", client_order_id=f"stranger-{ago():%H%M%S%f}")
    wait_until(lambda: STOCK in account.positions(), what="it is filled")

    report = reconcile()

    order = Order.objects.get(client_order_id=report.adopted[0])
    assert (order.purpose, order.status, order.quantity, order.decision) == ("external", "filled", 2, None)
    assert sum(fill.quantity for fill in order.fills.all()) == 2
    assert report.positions == [f"{STOCK}: 0 -> 2.000000000"]
    assert events_of(order) == ["order.created", "order.fill"]
    assert agreed()


def test_stranger_is_adopted_as_it_stands_or_not_at_all(account: Outside) -> None:
    """An order that ended must never be seen as open: the gate would deny its symbol as pending."""
    account.place(STOCK, "2", client_order_id=f"stranger-{ago():%H%M%S%f}")
    wait_until(lambda: STOCK in account.positions(), what="it is filled")
    account.venue.fault(kind="error", route="*/activities/FILL")

    with pytest.raises(UnavailableError):
        reconcile()

    assert not Order.objects.open().exists()


def test_strangers_resting_order_is_followed_to_its_end(account: Outside) -> None:
    account.fill_never(times=1)
    client_order_id = f"resting-{ago():%H%M%S%f}"
    account.place(STOCK, "2", client_order_id=client_order_id)
    assert client_order_id in reconcile().adopted
    account.venue.request("DELETE", "/v2/orders")

    report = reconcile()

    assert report.healed == [f"{client_order_id}: accepted -> canceled"]
    assert agreed()


def test_order_whose_fill_was_missed_is_healed(account: Outside) -> None:
    order = make_order(symbol=STOCK, quantity=Decimal(2))
    submit_order(order.pk)
    account.wait_filled(order.client_order_id)
    change(order, status="accepted")

    report = reconcile()

    order.refresh_from_db()
    assert report.healed == [f"{order.client_order_id}: accepted -> filled"]
    assert order.filled_quantity == 2
    assert order.fills.count() == 1
    assert agreed()


def test_order_whose_reply_was_lost_is_healed(account: Outside) -> None:
    order = make_order(symbol=STOCK, quantity=Decimal(2))
    account.venue.fault(kind="reset_after", route="POST /v2/orders", times=1)
    assert submit_order(order.pk).status == "unknown"
    account.wait_filled(order.client_order_id)

    reconcile()

    order.refresh_from_db()
    assert (order.status, order.broker_order_id) == ("filled", account.order(order.client_order_id)["id"])


def test_executions_missing_from_a_filled_order_are_added(account: Outside) -> None:
    order = make_order(symbol=STOCK, quantity=Decimal(2))
    submit_order(order.pk)
    account.wait_filled(order.client_order_id)
    reconcile()
    Fill.objects.filter(order=order).delete()

    report = reconcile()

    assert report.healed == [f"{order.client_order_id}: fills added"]
    assert Fill.objects.get(order=order).quantity == 2
    assert agreed()


def test_order_under_way_is_not_concluded(account: Outside) -> None:
    order = make_order(symbol=STOCK, quantity=Decimal(2))
    account.place(STOCK, "2", client_order_id=order.client_order_id)
    account.wait_filled(order.client_order_id)
    change(order, status="submitting", lease_until=ago(seconds=-20))

    reconcile()

    order.refresh_from_db()
    assert order.status == "submitting"


def test_positions_are_healed_toward_the_broker(account: Outside) -> None:
    """docs/lessons.md#lesson-24."""
    account.hold(OTHER_STOCK, "3")
    reconcile()
    make_position(COIN)
    change(Position.objects.get(pk=OTHER_STOCK), quantity=Decimal(1))

    report = reconcile()

    assert report.positions == [
        f"{OTHER_STOCK}: 1.000000000 -> 3.000000000",
        f"{COIN}: 1.000000000 -> 0",
    ]
    assert set(Position.objects.values_list("symbol", "quantity")) == {(OTHER_STOCK, Decimal(3))}


def test_order_by_value_is_adopted_without_a_quantity(account: Outside) -> None:
    body = {"symbol": STOCK, "notional": "50", "side": "buy", "type": "market", "time_in_force": "day"}
    account.venue.request("POST", "/v2/orders", body)
    wait_until(lambda: STOCK in account.positions(), what="it is filled")

    client_order_id = reconcile().adopted[0]

    order = Order.objects.get(client_order_id=client_order_id)
    assert (order.quantity, order.status) == (None, "filled")
    assert order.filled_quantity == account.positions()[STOCK]


def test_broker_that_does_not_answer_is_an_error_and_changes_nothing(account: Outside) -> None:
    before = list(Order.objects.values())
    account.venue.fault(kind="error", route="GET /v2/orders")

    with pytest.raises(UnavailableError):
        reconcile()

    assert list(Order.objects.values()) == before


def test_differences_are_events_and_orders_without_a_saga_become_trades(account: Outside) -> None:
    client_order_id = f"stranger-{ago():%H%M%S%f}"
    account.place(STOCK, "2", client_order_id=client_order_id)
    wait_until(lambda: STOCK in account.positions(), what="it is filled")
    account.place(STOCK, "2", side="sell", client_order_id=f"{client_order_id}-out")
    wait_until(lambda: STOCK not in account.positions(), what="it is sold")

    report = reconcile()

    assert report.booked == [client_order_id, f"{client_order_id}-out"]
    bought, sold = (Trade.objects.get(order__client_order_id=booked) for booked in report.booked)
    assert bought.realised_pnl is None
    assert sold.realised_pnl == pytest.approx((sold.price - bought.price) * 2, abs=Decimal("0.01"))
    event = Event.objects.filter(type="reconciliation.difference", aggregate_id=client_order_id).first()
    assert event is not None
    assert event.payload["there"] == "filled"
    assert client_order_id in (line_of(event) or "")
    assert agreed()
