"""Orders whose look-up hangs take their turns, and the next order gets its own, with two workers and real processes."""

import pytest
from django.db import transaction

from tests.e2e.system import System
from tests.e2e.truth import assert_books_agree, wait_for_rest
from tests.factories import make_cycle, make_decision
from tests.trading.outside import LOOK_UP, ORDERS
from tests.trading.scenes import ago, change, order_of, passed
from tests.venue_process import VenueProcess
from tests.waiting import wait_until
from trading import tasks
from trading.models import Asset, Order
from trading.orders.submission import UNSENT

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]
SLOW = 4
# Each of the four has been looked up once before the fifth's turn, or is looked up again beside it.
LOOK_UPS_BEFORE = 2 * SLOW - 1


def test_orders_whose_look_up_hangs_do_not_hold_the_next_one(system: System, market: VenueProcess) -> None:
    stocks = Asset.objects.filter(asset_class="stock", fractionable=True).order_by("-dollar_volume")
    with transaction.atomic():  # the sweeper finishes a cycle that has no decision under way
        cycle = make_cycle(status="running", stage="executing")
        holder = make_decision(cycle=cycle, status="claimed", lease_until=ago(seconds=-40))
    sagas = [passed(asset.symbol, cycle=cycle) for asset in stocks[: SLOW + 1]]
    holder.delete()
    market.fault(kind="hang", route=LOOK_UP)
    for saga in sagas[:SLOW]:
        change(order_of(saga), status="unknown", submitted_at=ago(seconds=1))
    Order.objects.filter(status="created").update(created_at=ago())

    for saga in sagas:
        tasks.advance_saga.delay(str(saga.pk))

    def fifth_is_taken() -> bool:
        return order_of(sagas[SLOW]).acknowledged_at is not None

    wait_until(fifth_is_taken, seconds=180, what="the fifth order is taken")
    asked = [f"{request['method']} {request['path']}" for request in market.requests()]
    looked_up = asked[: asked.index(ORDERS)].count(LOOK_UP)
    assert looked_up <= LOOK_UPS_BEFORE
    assert {order_of(saga).status for saga in sagas[:SLOW]} <= {status.value for status in UNSENT}

    market.clear_faults()
    wait_for_rest(seconds=150)
    assert_books_agree(market)
