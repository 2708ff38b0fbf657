"""Lists as files: as they are filtered, plain text, and nothing that a spreadsheet would compute."""

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import factories
from tests.trading.admin.rows import ROWS

Login = Callable[..., Client]


def taken(client: Client, name: str, **filters: Any) -> list[dict[str, str]]:
    answer = client.get(reverse("list_csv", args=name.split(".")), filters)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_list_is_taken_away_as_it_is_filtered_and_searched(login: Login) -> None:
    factories.make_decision(
        symbol="AAPL", status="denied", reason="stale_price", reason_detail="older than 90 s"
    )
    factories.make_decision(symbol="AAPL", status="held")
    factories.make_decision(symbol="MSFT", status="denied", reason="stale_price")
    client = login("viewer")

    rows = taken(client, "trading.aidecision", status__exact="denied", q="aapl")

    assert [(row["symbol"], row["status"]) for row in rows] == [("AAPL", "denied")]
    assert rows[0]["reason"] == "stale price: older than 90 s"
    assert len(taken(client, "trading.aidecision")) == 3


def test_cells_hold_no_markup_and_no_formula(login: Login) -> None:
    order = factories.make_order(symbol="=HYPERLINK(1)", quantity=Decimal("12.500"))

    (row,) = taken(login("viewer"), "trading.order")

    assert row["symbol"] == "'=HYPERLINK(1)"
    assert not any("<" in value for value in row.values())
    assert any(value == "12.5" for value in row.values())
    assert order.symbol in row["symbol"]


def test_many_rows_are_read_in_the_same_statements(login: Login) -> None:
    client = login("viewer")
    factories.make_trade()
    taken(client, "trading.trade")
    with CaptureQueriesContext(connection) as few:
        taken(client, "trading.trade")
    for _ in range(30):
        factories.make_trade()
    with CaptureQueriesContext(connection) as many:
        assert len(taken(client, "trading.trade")) == 31

    assert len(many) == len(few)


@pytest.mark.parametrize("label", sorted(ROWS))
def test_every_list_has_its_file(login: Login, label: str) -> None:
    ROWS[label]()

    assert taken(login(), label)


def test_a_list_that_is_none_is_not_found(login: Login) -> None:
    assert login().get(reverse("list_csv", args=["trading", "nothing"])).status_code == 404


def test_filters_that_cannot_be_read_lead_to_the_list(login: Login) -> None:
    answer = login().get(reverse("list_csv", args=["trading", "order"]), {"nonsense__gt": "x"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/trading/order/?e=1")
