"""What several queries find, asked for at once, is what each finds by itself."""

from typing import Any

import pytest
from django.db.models import Q

from tests.factories import make_cycle, make_order
from trading.core.statements.keys_together import exist_together, keys_together
from trading.models import Cycle, Order, Position

pytestmark = pytest.mark.django_db


def test_keys_of_each_query_come_in_its_order_by_one_statement(django_assert_num_queries: Any) -> None:
    orders = [make_order(symbol=symbol) for symbol in ("B", "A", "C")]
    cycle = make_cycle(reason="50 % of 'it'")
    by_symbol = Order.objects.order_by("symbol")

    with django_assert_num_queries(1):
        found = keys_together(
            by_symbol,
            by_symbol[:2],
            Cycle.objects.filter(Q(reason="50 % of 'it'") | Q(reason="%s")),
            Order.objects.filter(symbol="nobody's"),
            Order.objects.filter(decision__symbol="nobody's").exclude(saga__status="failed"),
        )

    b, a, c = (order.pk for order in orders)
    assert found == [[a, b, c], [a, b], [cycle.pk], [], []]


def test_a_query_that_can_find_nothing_is_not_asked() -> None:
    order = make_order()

    assert keys_together(Order.objects.filter(pk__in=[]), Order.objects.all()) == [[], [order.pk]]


def test_whether_each_finds_anything_is_one_statement(django_assert_num_queries: Any) -> None:
    make_order(symbol="A")

    with django_assert_num_queries(1):
        found = exist_together(
            Order.objects.filter(symbol="A"), Order.objects.filter(symbol="B"), Position.objects.all()
        )

    assert found == [True, False, False]
