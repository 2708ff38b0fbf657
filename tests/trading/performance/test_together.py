"""Sums of one report: read in one statement, and each once."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from trading.performance.together import Sum, Together

pytestmark = pytest.mark.django_db


def of(amount: int, *, rows: int = 1) -> Sum[list[Any]]:
    sql = "SELECT 'key', NULL, SUM(%(amount)s::numeric) FROM generate_series(1, %(rows)s) HAVING %(rows)s > 0"
    return Sum(sql, 1, {"amount": amount, "rows": rows}, list)


def test_sums_named_ahead_are_one_statement_and_each_is_read_once() -> None:
    together = Together()

    with CaptureQueriesContext(connection) as asked:
        together.read(of(2, rows=3), of(5), of(2, rows=3), of(7, rows=0))
        found = [together.of(one) for one in (of(5), of(2, rows=3), of(7, rows=0))]

    assert len(asked) == 1
    assert [[line[:4] for line in lines] for lines in found] == [
        [["key", None, Decimal(5), None]],
        [["key", None, Decimal(6), None]],
        [],
    ]


def test_what_was_not_named_ahead_is_read_when_it_is_wanted() -> None:
    together = Together()
    together.read(of(2))

    with CaptureQueriesContext(connection) as asked:
        assert together.of(of(3))[0][2] == 3
        assert together.of(of(3))[0][2] == 3

    assert len(asked) == 1
