"""Reads whose SQL is made once bring what the same query brings."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.db.models import JSONField, QuerySet, Value
from django.db.models.functions import Upper
from django.test.utils import CaptureQueriesContext

from tests.factories import make_order, make_saga
from trading.core.statements.compiled_reads import CompiledRead
from trading.models import Order, Saga

SAGA = CompiledRead(lambda pk: Saga.objects.select_related("order").filter(pk=pk), of=UUID)
OF_NAME = CompiledRead(lambda name: Order.objects.select_related("saga").filter(client_order_id=name), of=str)
LOCKED = CompiledRead(lambda pk: Order.objects.select_for_update(of=("self",)).filter(pk=pk), of=UUID)


def columns_of(row: Order | Saga) -> dict[str, object]:
    """Return all that a row says, each with its type."""
    return {column.attname: repr(getattr(row, column.attname)) for column in row._meta.concrete_fields}


@pytest.mark.django_db
def test_row_and_what_it_refers_to_are_those_of_the_query_itself() -> None:
    sagas = [make_saga(), make_saga()]

    for saga in sagas:
        read, expected = SAGA.get(saga.pk), Saga.objects.select_related("order").get(pk=saga.pk)
        with CaptureQueriesContext(connection) as asked:
            assert columns_of(read.order) == columns_of(expected.order)
        assert columns_of(read) == columns_of(expected)
        assert read.order.saga is read
        assert not asked
        assert not read._state.adding


@pytest.mark.django_db
def test_what_a_query_reads_beside_its_rows_is_on_the_instance() -> None:
    saga = make_saga()
    beside = CompiledRead(
        lambda pk: (
            Saga.objects.select_related("order")
            .annotate(said=Value({"n": [1]}, JSONField()), symbol=Upper("order__symbol"))
            .filter(pk=pk)
        ),
        of=UUID,
    )

    read: Any = beside.get(saga.pk)

    assert (read.said, read.symbol) == ({"n": [1]}, saga.order.symbol.upper())
    assert columns_of(read.order) == columns_of(saga.order.__class__.objects.get(pk=saga.order_id))


@pytest.mark.django_db
def test_query_may_take_no_value() -> None:
    make_saga()
    last = make_order(broker_message="50 %")
    newest = CompiledRead(lambda _: Order.objects.filter(broker_message="50 %").order_by("-pk")[:1], of=None)

    assert [columns_of(row) for row in newest.all()] == [columns_of(Order.objects.get(pk=last.pk))]


@pytest.mark.django_db
def test_what_is_not_there_is_none_or_an_error() -> None:
    lone = make_order()

    read = OF_NAME.first(lone.client_order_id)

    assert read is not None
    assert getattr(read, "saga", None) is None
    assert OF_NAME.first("nobody's") is None
    assert OF_NAME.all("nobody's") == []
    with pytest.raises(Saga.DoesNotExist, match="Saga"):
        SAGA.get(uuid4())


@pytest.mark.django_db(transaction=True)
def test_rows_are_locked_in_a_transaction_only() -> None:
    order = make_order()
    with transaction.atomic():
        assert LOCKED.get(order.pk) == order

    with pytest.raises(transaction.TransactionManagementError, match="in a transaction only"):
        LOCKED.get(order.pk)


@pytest.mark.django_db
def test_value_that_does_not_come_through_is_refused() -> None:
    def altered(name: str) -> QuerySet[Order]:
        return Order.objects.filter(client_order_id__contains=name)

    with pytest.raises(ValueError, match="as it was given"):
        CompiledRead(altered, of=str).all("x")
