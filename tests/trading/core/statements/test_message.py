"""Statements of one message are done together or not at all, in their order."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from tests.factories import make_agent, make_position
from trading.core.statements.message import Message
from trading.models import Position, SetAsideRow

NOTED = {"listing": "positions", "noted_at": "2026-01-01T00:00:00+00:00"}


@pytest.mark.django_db
def test_nothing_is_said_where_nothing_is_to_be_said() -> None:
    message = Message()
    message.insert([])
    message.update(Position.objects.filter(pk__in=[]), {"quantity": Decimal(2)})

    with CaptureQueriesContext(connection) as asked:
        message.say()

    assert len(message) == 0
    assert not asked.captured_queries


@pytest.mark.django_db
def test_rows_are_inserted_or_written_anew() -> None:
    known = make_position("BTC/USD", quantity=Decimal(1), stop_price=Decimal(7))
    again, new = make_position("ETH/USD"), Position(symbol="SOL/USD")
    for row in (known, again):
        for name in ("asset_class", "average_entry_price", "source", "opened_at", "synced_at"):
            setattr(new, name, getattr(row, name))
    new.quantity = new.quantity_available = Decimal(3)
    known.quantity, known.stop_price = Decimal(2), Decimal(9)
    message = Message()
    message.insert([known, new], or_update=["quantity"])
    message.insert([again], or_ignore=True)
    message.insert([SetAsideRow(symbol="A", **NOTED), SetAsideRow(symbol="B", **NOTED)])

    with CaptureQueriesContext(connection) as asked:
        message.say()

    stored = dict(Position.objects.values_list("symbol", "quantity"))
    assert (stored["BTC/USD"], stored["SOL/USD"]) == (2, 3)
    assert Position.objects.get(pk="BTC/USD").stop_price == 7
    assert SetAsideRow.objects.count() == 2
    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
def test_where_one_fails_none_is_done() -> None:
    make_agent()
    position = make_position("BTC/USD", quantity=Decimal(1))
    message = Message()
    message.update(Position.objects.filter(pk=position.pk), {"quantity": Decimal(2)})
    message.update(Position.objects.filter(pk=position.pk), {"quantity": Decimal(0)})

    with pytest.raises(IntegrityError):
        message.say()

    position.refresh_from_db()
    assert position.quantity == 1
