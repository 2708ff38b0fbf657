"""What an order's way to the broker costs: statements are what limits how many leave in a second."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.trading.outside import OTHER_STOCK, STOCK
from tests.trading.scenes import open_cycle, order_of, passed, wish
from trading.core.settings import read_once
from trading.execution.portfolio import sync_portfolio
from trading.orders import broker_stream
from trading.performance.comparison import compare_books
from trading.work import steps

# To claim, prove and post it, to record the answer with its legs, and for the saga; begin and commit are counted.
MOST = 8
MOST_OF_A_SYNC = 8
MOST_OF_A_BATCH = 20
MOST_UNDER_THE_LOCK = 4


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


@pytest.mark.usefixtures("account")
def test_sync_and_its_comparison_take_few_messages() -> None:
    sync_portfolio(None)  # with the first one the comparison begins
    with CaptureQueriesContext(connection) as asked, read_once():
        sync_portfolio(None)
        compare_books()

    counted = [query["sql"] for query in asked if "SAVEPOINT" not in query["sql"]]
    # The settings; what is known and the place; under the lock what is stored, and what is written; what the watchdog
    # looks at. Then the check, the account with the books, and what is written down of it.
    assert len(counted) <= MOST_OF_A_SYNC, "\n".join(counted)


@pytest.mark.usefixtures("account")
def test_batch_takes_as_few_messages_as_one_decision() -> None:
    cycle = open_cycle()
    wishes = [wish(symbol, cycle=cycle) for symbol in (STOCK, OTHER_STOCK)]

    with CaptureQueriesContext(connection) as asked:
        going_on = steps.execute_batch(str(cycle.pk))

    assert list(going_on) == [str(decision.pk) for decision in sorted(wishes, key=lambda each: each.symbol)]
    counted = [query["sql"] for query in asked if "SAVEPOINT" not in query["sql"]]
    assert len(counted) <= MOST_OF_A_BATCH, "\n".join(counted)
    under_the_lock = counted[next(n for n, text in enumerate(counted) if "xact_lock" in text) :]
    assert len(under_the_lock) <= MOST_UNDER_THE_LOCK, "\n".join(under_the_lock)
