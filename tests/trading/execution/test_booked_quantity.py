"""How much of an order is booked for good stands on its row, written with the booking itself."""

from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import make_order, make_saga, make_trade
from tests.trading.outside import COIN, STOCK, Outside
from tests.trading.scenes import advanced_to_its_end, order_of, passed
from trading import tasks
from trading.core.settings import set_runtime_setting
from trading.execution.trade_booking import book_strangers
from trading.models import Order, Saga, Trade
from trading.orders import broker_stream

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = (
    40  # from the verdict to the acknowledged order, settings that were never set read again each time
)


def test_saga_that_is_complete_has_booked_all_that_filled(account: Outside) -> None:
    order = order_of(advanced_to_its_end(passed().pk))

    assert order.booked_quantity == order.filled_quantity > 0
    assert not Order.objects.unbooked().exists()


def test_order_without_a_saga_is_booked_as_far_as_it_has_filled() -> None:
    order = make_order(
        purpose="external", quantity=3, filled_quantity=2, average_price=100, status="partially_filled"
    )

    book_strangers()

    order.refresh_from_db()
    assert order.booked_quantity == 2
    assert Trade.objects.get().quantity == 2


def filled(symbol: str, **columns: Any) -> Order:
    values = {"status": "filled", "quantity": 2, "filled_quantity": 2, "average_price": 100} | columns
    return make_order(symbol=symbol, **values)


def test_migration_fills_what_is_booked_for_good_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    complete, failed, running, late, unfilled = (filled(name) for name in "ABCDE")
    for order, status in (
        (complete, "completed"),
        (failed, "failed"),
        (running, "running"),
        (late, "completed"),
    ):
        make_saga(order=order, status=status, steps=False)
        make_trade(order=order)
    Trade.objects.filter(order=late).update(quantity=1)
    stranger, unbooked = (filled(name, purpose="external") for name in "FG")
    make_trade(order=stranger)
    Order.objects.filter(pk=unfilled.pk).update(filled_quantity=0)
    migration = import_module("trading.migrations.0026_booked_quantity")
    monkeypatch.setattr(migration, "ROWS_A_CHUNK", 2)

    migration.fill(None, SimpleNamespace(connection=connection))

    booked = dict(Order.objects.filter(booked_quantity__gt=0).values_list("symbol", "booked_quantity"))
    assert booked == {"A": 2, "D": 1, "F": 2}
    assert set(Order.objects.unbooked().values_list("symbol", flat=True)) == {"B", "C", "D", "G"}
    assert unbooked.booked_quantity == Decimal(0)


def test_order_asks_each_thing_once_on_its_way_to_the_broker(account: Outside) -> None:
    """Two cores are what limits fifteen orders at once: what one costs is its statements."""
    set_runtime_setting(name="order_attempts", value="3", actor="test")
    broker_stream.note_alive()
    tasks.risk_and_execute(str(passed(COIN).decision_id))
    saga = passed(STOCK)
    with CaptureQueriesContext(connection) as asked:
        tasks.risk_and_execute(str(saga.decision_id))

    assert Saga.objects.get(pk=saga.pk).order.acknowledged_at is not None
    statements = [
        q["sql"] for q in asked.captured_queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))
    ]
    assert len(statements) <= MOST_STATEMENTS, "\n".join(sql[:160] for sql in statements)
