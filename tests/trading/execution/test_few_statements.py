"""What an order's way to the broker costs: statements are what limits how many leave in a second."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.trading.outside import STOCK
from tests.trading.scenes import order_of, passed
from trading.orders import broker_stream
from trading.work import steps

# To claim, prove and post it, to record the answer with its legs, and for the saga; begin and commit are counted.
MOST = 8


@pytest.mark.usefixtures("account")
def test_way_of_an_order_with_two_legs_takes_few_statements() -> None:
    broker_stream.note_alive()
    saga = passed(STOCK, whole=True)

    with CaptureQueriesContext(connection) as asked:
        steps.advance(str(saga.pk))

    order = order_of(saga)
    assert (order.status, order.legs.count()) == ("accepted", 2)
    counted = [query["sql"] for query in asked if "SAVEPOINT" not in query["sql"]]
    assert len(counted) <= MOST, "\n".join(counted)
