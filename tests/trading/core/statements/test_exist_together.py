"""What several queries find, asked for at once, is what each finds by itself."""

from typing import Any

import pytest

from tests.factories import make_order
from trading.core.statements.exist_together import exist_together
from trading.models import Order, Position

pytestmark = pytest.mark.django_db


def test_whether_each_finds_anything_is_one_statement(django_assert_num_queries: Any) -> None:
    make_order(symbol="A")

    with django_assert_num_queries(1):
        found = exist_together(
            Order.objects.filter(symbol="A"), Order.objects.filter(symbol="B"), Position.objects.all()
        )

    assert found == [True, False, False]
