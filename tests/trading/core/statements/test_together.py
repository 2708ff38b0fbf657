"""Many selects in one statement give the rows that each of them alone gives."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from risk.models import RiskReservation
from tests import factories as make
from trading.core.statements.message import Message
from trading.core.statements.together import Select, Unchanging, first, read_together
from trading.models import (
    AgentStatus,
    AIDecision,
    Asset,
    Cycle,
    Event,
    MarketSnapshot,
    Order,
    Position,
    RuntimeSetting,
    Strategy,
)

pytestmark = pytest.mark.django_db


def columns(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_rows_are_those_of_each_select_alone() -> None:
    make.make_position("BTC/USD", quantity=Decimal("0.123456789"), market_value=None)
    make.make_snapshot(
        indicators={"rsi": 41.25, "days": 3, "of": [0.5, None]}, price=Decimal("0.000000012345")
    )
    make.make_decision(strategy=make.make_strategy(symbols=["AAPL", "BTC/USD"]))
    make.make_event(payload={"seconds": 0.164, "text": '100 % "sure"'})
    make.make_order(limit_price=Decimal("1.5"))
    make.make_agent()
    make.make_asset("MSFT")
    make.make_reservation()
    RuntimeSetting.objects.create(name="price_max_age", value="7")
    kinds = (Position, MarketSnapshot, AIDecision, Cycle, Strategy, Event, Order, AgentStatus, Asset)
    kinds += (RiskReservation, RuntimeSetting)

    found = read_together({kind.__name__: kind.objects.all() for kind in kinds})

    for kind in kinds:
        rows = found[kind.__name__]
        expected = [columns(row) for row in kind.objects.all()]
        for row in (*expected, *(own := [columns(row) for row in rows])):
            row.pop("transaction_id", None)  # a number that JSON has as text
        assert own == expected, kind


def test_unchanging_query_is_made_once_and_its_rows_are_of_now() -> None:
    made = []

    def query() -> Any:
        made.append(1)
        return Position.objects.filter(quantity__gt=0).order_by("symbol").only("quantity")

    asked = {"held": Unchanging(query)}
    before = len(read_together(asked)["held"]), len(made)
    make.make_position("AAPL", quantity=Decimal(2))

    (row,) = read_together(asked)["held"]

    assert before == (0, len(made))
    assert (row.symbol, row.quantity) == ("AAPL", Decimal(2))
    assert row.get_deferred_fields() >= {"market_value", "synced_at"}
    assert row.market_value == Position.objects.get().market_value  # read later, as of any such row


def test_it_is_one_statement_and_nothing_is_read_later() -> None:
    make.make_decision(symbol="AAPL", strategy=make.make_strategy(name="Dips"))
    decisions = AIDecision.objects.annotate(strategy_name=F("strategy__name")).order_by("-created_at")[:3]

    with CaptureQueriesContext(connection) as read:
        found = read_together({"decisions": decisions, "none": Position.objects.filter(pk="NOPE")})
        assert [(row.symbol, row.strategy_name) for row in found["decisions"]] == [("AAPL", "Dips")]
        assert first(found["none"]) is None

    assert len(read) == 1


def test_statement_of_our_own_words_takes_its_values() -> None:
    found = read_together({"sum": Select("SELECT %s::numeric + 1.5 AS total, '50 %%' AS share", ("2",))})

    assert found == {"sum": [{"total": Decimal("3.5"), "share": "50 %"}]}


def test_a_query_that_can_find_nothing_finds_nothing() -> None:
    make.make_position("BTC/USD")

    found = read_together({"none": Position.objects.filter(pk__in=[]), "all": Position.objects.only("pk")})

    assert (found["none"], [row.pk for row in found["all"]]) == ([], ["BTC/USD"])


def test_what_is_said_before_it_in_the_message_is_seen() -> None:
    position = make.make_position("BTC/USD", quantity=Decimal(1))
    before = Message()
    before.update(Position.objects.filter(pk=position.pk), {"quantity": Decimal(2)})
    before.delete(Event.objects.all())
    before.insert([Position(**{**columns(position), "symbol": "ETH/USD"})])

    with CaptureQueriesContext(connection) as read:
        found = read_together({"positions": Position.objects.order_by("symbol")}, after=before)

    assert [(row.symbol, row.quantity) for row in found["positions"]] == [("BTC/USD", 2), ("ETH/USD", 1)]
    assert len(read) == 1
