"""Orders and fills told in words we cannot read: no proof of anything, and in the way of no other."""

from decimal import Decimal

import pytest

from connectors.errors import UnavailableError
from tests.factories import make_order
from tests.trading.outside import OTHER_STOCK, STOCK, Outside
from tests.trading.safety.test_left_alone import SPREAD, list_orders
from tests.trading.scenes import ago, open_cycle, order_of, passed
from tests.waiting import wait_until
from trading.core.settings import set_runtime_setting
from trading.execution import sagas
from trading.execution.portfolio import sync_portfolio
from trading.execution.reconciliation import reconcile
from trading.models import Fill, Order, Position, SetAsideRow

LOOK_UP = "^GET /v2/orders/[^:]"


@pytest.fixture(autouse=True)
def one_attempt(account: Outside) -> None:
    set_runtime_setting(name="order_attempts", value="1", actor="test")


def list_all_orders(account: Outside, spoilt: str, **change: object) -> None:
    """Have the broker list all orders, but one of them in other words."""
    rows = account.venue.get("/v2/orders?status=all&limit=500")
    told = [row | change if row["client_order_id"] == spoilt else row for row in rows]
    account.venue.fault(kind="error", route="^GET /v2/orders$", status=200, body=told)


def resting_entry(account: Outside) -> Order:
    account.fill_never()
    open_cycle()
    saga = passed(STOCK)
    sagas.advance_saga(saga.pk)
    return order_of(saga)


def test_odd_row_of_our_order_ends_nothing_and_strangers_are_adopted(account: Outside) -> None:
    ours = resting_entry(account)
    stranger = f"stranger-{ago():%H%M%S%f}"
    account.place(OTHER_STOCK, "1", client_order_id=stranger)
    list_all_orders(account, ours.client_order_id, status="dreaming")
    account.venue.fault(kind="alter", route=LOOK_UP, body={"status": "dreaming"})

    report = reconcile()

    ours.refresh_from_db()
    assert ours.status == "accepted"
    assert report.adopted == [stranger]
    assert report.unreadable == [
        f"orders: {STOCK}: status is 'dreaming'",
        f"order {ours.client_order_id} ({STOCK}): malformed answer: field status is 'dreaming'",
    ]
    assert [(row.listing, row.symbol, row.field) for row in SetAsideRow.objects.all()] == [
        ("orders", STOCK, "status")
    ]


def test_look_up_that_cannot_be_read_ends_no_order(account: Outside) -> None:
    ours = resting_entry(account)
    list_all_orders(account, ours.client_order_id, filled_qty="NaN")
    account.venue.fault(kind="alter", route=LOOK_UP, body={"filled_qty": "NaN"})

    with pytest.raises(UnavailableError, match="filled_qty is 'NaN'"):
        sagas.advance_saga(ours.saga.pk)

    ours.refresh_from_db()
    assert (ours.status, ours.saga.status) == ("accepted", "running")


def test_sync_goes_on_beside_an_order_that_cannot_be_read(account: Outside) -> None:
    """What it may have filled counts twice until it can be read, never not at all."""
    ours = resting_entry(account)
    list_all_orders(account, ours.client_order_id, filled_qty="NaN")
    account.venue.fault(kind="alter", route=LOOK_UP, body={"filled_qty": "NaN"})

    truth = sync_portfolio(None)

    assert truth.is_stored
    assert [known.filled_quantity for known in truth.known] == [0]


def test_spread_is_noted_and_not_adopted(account: Outside) -> None:
    known = Order.objects.count()
    list_orders(account, SPREAD)

    report = reconcile()

    assert (report.adopted, report.refused, report.healed) == ([], [], [])
    assert report.unreadable == [f"orders: {SPREAD['id']}: is another kind (mleg), not traded here"]
    assert Order.objects.count() == known


def test_fills_that_cannot_be_read_are_said_and_added_later(account: Outside) -> None:
    client_order_id = f"ours-{ago():%H%M%S%f}"
    broker_id = account.place(STOCK, "2", client_order_id=client_order_id)
    account.wait_filled(client_order_id)
    order = make_order(
        symbol=STOCK,
        client_order_id=client_order_id,
        broker_order_id=broker_id,
        status="filled",
        quantity=Decimal(2),
        filled_quantity=Decimal(2),
        average_price=Decimal(10),
    )
    wait_until(lambda: STOCK in account.positions(), what="the venue holds it")
    account.venue.fault(
        kind="alter", route="GET /v2/account/activities/FILL", rows=[STOCK], body={"price": "NaN"}
    )

    report = reconcile()

    assert f"{client_order_id}: fills added" not in report.healed
    assert any(line.endswith(f"{STOCK}: price is 'NaN'") for line in report.unreadable)
    assert not Fill.objects.filter(order=order).exists()

    account.venue.clear_faults()
    assert f"{client_order_id}: fills added" in reconcile().healed
    assert sum(fill.quantity for fill in Fill.objects.filter(order=order)) == 2
    assert Position.objects.get(pk=STOCK).quantity == 2
