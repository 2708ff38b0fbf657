"""Rows written by hand are what the ORM would have written."""

from copy import copy
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from tests import factories as make
from tests.factories import make_order
from trading.core import transitions
from trading.core.statements.moved_rows import Beside
from trading.core.statements.written_rows import insert_rows, update_from_values
from trading.models import Event, Order, SagaStep, SymbolBook


def copy_of(order: Order, name: str) -> Order:
    """Return an order like this one, not stored, under another name."""
    other = copy(order)
    other.pk, other._state = Order().pk, copy(order._state)
    other._state.adding = True
    other.client_order_id, other.purpose, other.decision = name, "exit", None
    return other


@pytest.mark.django_db
def test_rows_are_stored_as_bulk_create_stores_them(django_assert_num_queries: Any) -> None:
    first = make_order(limit_price=Decimal("1.50"), broker_message="50 % of 'it'")
    written, expected = copy_of(first, "a"), copy_of(first, "b")

    with django_assert_num_queries(1):
        insert_rows([written])
    Order.objects.bulk_create([expected])

    columns = [c.attname for c in Order._meta.concrete_fields if c.name not in ("id", "client_order_id")]
    columns.remove("created_at")
    stored = {name: Order.objects.values_list(*columns).get(client_order_id=name) for name in "ab"}
    assert stored["a"] == stored["b"]
    assert Order.objects.get(client_order_id="a").created_at == written.created_at
    assert not written._state.adding


MADE = {
    "order": lambda: make.make_order(limit_price=Decimal("1.50"), side="sell", purpose="exit"),
    "fill": make.make_fill,
    "trade": make.make_trade,
    "thesis": make.make_thesis,
    "lot": make.make_lot,
    "round trip": make.make_round_trip,
    "saga": lambda: make.make_saga(steps=False),
    "step": lambda: SagaStep.objects.create(saga=make.make_saga(steps=False), name="x", position=1),
    "check": make.make_risk_check,
    "reservation": make.make_reservation,
    "decision": make.make_decision,
    "position": make.make_position,
    "equity": make.make_equity,
    "event": lambda: make.make_event(payload={"a": [1, None, "50 %"]}),
    "snapshot": make.make_snapshot,
    "book": lambda: SymbolBook.objects.create(symbol="AAPL"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("is_beside", [False, True], ids=["alone", "beside a move"])
def test_row_that_django_has_written_is_written_the_same(name: str, is_beside: bool) -> None:
    row = MADE[name]()
    rows = type(row)._base_manager.filter(pk=row.pk)
    (expected,) = rows.values()
    rows._raw_delete(rows.db)

    if is_beside:
        assert transitions.apply(make_order(), "submit", beside=Beside(rows=[[row]]))
    else:
        insert_rows([row])

    (found,) = rows.values()
    drawn = {field.attname for field in row._meta.concrete_fields if getattr(field, "auto_now_add", False)}
    drawn |= {"position", "transaction_id"}
    assert found.keys() == expected.keys()
    assert {name: one for name, one in found.items() if name not in drawn} == {
        name: one for name, one in expected.items() if name not in drawn
    }


@pytest.mark.django_db
def test_rows_of_which_some_leave_a_column_out_are_written_together() -> None:
    first = make_order()
    plain, given = copy_of(first, "a"), copy_of(first, "b")
    given.limit_price, given.ended_sequence = Decimal("2.5"), 7
    drawn = Event(aggregate_type="a", aggregate_id="1", sequence=1, type="a.b", payload={})
    told = Event(aggregate_type="a", aggregate_id="1", sequence=2, type="a.b", payload={}, transaction_id=5)

    insert_rows([plain, given])
    insert_rows([drawn, told])

    stored = dict(Order.objects.exclude(pk=first.pk).values_list("client_order_id", "limit_price"))
    assert stored == {"a": None, "b": Decimal("2.5")}
    numbers = dict(Event.objects.filter(aggregate_type="a").values_list("sequence", "transaction_id"))
    assert numbers[1] not in (None, 5)
    assert numbers[2] == 5


@pytest.mark.django_db
def test_database_draws_what_it_gives_by_default() -> None:
    events = [
        Event(aggregate_type="a", aggregate_id="1", sequence=n, type="a.b", payload={"n": [n]})
        for n in (1, 2)
    ]

    insert_rows(events)

    stored = list(Event.objects.order_by("position"))
    assert [event.payload for event in stored] == [{"n": [1]}, {"n": [2]}]
    assert all(event.transaction_id for event in stored)


@pytest.mark.django_db
def test_row_that_is_there_is_left_out_or_refused() -> None:
    first = make_order()
    again, new = copy_of(first, first.client_order_id), copy_of(first, "new")

    with pytest.raises(IntegrityError, match="client_order_id"), transaction.atomic():
        insert_rows([new, again])
    insert_rows([again, new], ignore_conflicts=True)

    assert set(Order.objects.values_list("pk", flat=True)) == {first.pk, new.pk}


@pytest.mark.django_db
def test_nothing_to_write_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        insert_rows([])


@pytest.mark.django_db
def test_rows_with_different_values_are_written_in_one_statement(django_assert_num_queries: Any) -> None:
    first = make_order()
    second = copy_of(first, "b")
    insert_rows([second])
    rows = [
        (first.pk, {"posts": 1, "limit_price": None}),
        (second.pk, {"posts": 2, "limit_price": Decimal("0.1")}),
    ]

    with django_assert_num_queries(1):
        update_from_values(Order, rows)

    stored = {order.pk: (order.posts, order.limit_price) for order in Order.objects.all()}
    assert stored == {first.pk: (1, None), second.pk: (2, Decimal("0.1"))}
