"""Lots as they are stored: booked with the trade, to the decision that opened, and equal to those counted anew."""

from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.factories import make_decision, make_fill, make_model_call, make_strategy
from tests.trading.performance.booked import OPENED, booked, filled, traded
from trading.execution.trade_booking import date_trade
from trading.models import AccountActivity, Fill, Lot, Order, RoundTrip, StageChange, SymbolBook, Trade
from trading.performance import lots

D = Decimal
pytestmark = pytest.mark.django_db


def trips() -> list[tuple[str, Decimal, Decimal]]:
    return list(RoundTrip.objects.order_by("number").values_list("exit_reason", "quantity", "realised_pnl"))


def test_each_execution_of_an_entry_opens_a_lot_tagged_with_what_decided_it() -> None:
    call = make_model_call(model="openai/gpt-4o-mini", prompt_version="7")
    decision = make_decision(
        model="openai/gpt-4o-mini", model_call=call, strategy_version=3, confidence=D("0.81"), action="buy"
    )

    order = traded("buy", "10", "100", pieces=2, decision=decision)

    opened = list(Lot.objects.order_by("number"))
    assert [(lot.quantity, lot.remaining, lot.cost) for lot in opened] == [(D(5), D(5), D(500))] * 2
    lot = opened[0]
    assert (lot.order_id, lot.decision_id, lot.strategy_id) == (order.pk, decision.pk, decision.strategy_id)
    assert (lot.strategy_version, lot.model, lot.prompt_version, lot.confidence) == (
        3,
        "openai/gpt-4o-mini",
        "7",
        D("0.81"),
    )


def test_a_sale_by_one_strategy_of_what_others_bought_is_booked_to_those() -> None:
    """One that sells for two others: each gets what its own lots earned, the seller nothing."""
    first, second, seller = (make_strategy() for _ in range(3))
    traded("buy", "10", "100", decision=make_decision(strategy=first))
    traded("buy", "10", "120", decision=make_decision(strategy=second))

    sold = traded("sell", "20", "130", decision=make_decision(strategy=seller, action="sell"))

    by_strategy = dict(RoundTrip.objects.values_list("strategy_id", "realised_pnl"))
    assert by_strategy == {first.pk: D(300), second.pk: D(100)}
    assert set(RoundTrip.objects.values_list("exit_decision_id", flat=True)) == {sold.decision_id}


@pytest.mark.parametrize(
    ("purpose", "said", "expected"),
    [
        ("exit", "", "signal"),
        ("exit", "time_stop", "time_stop"),
        ("stop_loss", "", "stop_loss"),
        ("stop_loss", "trailing_stop", "trailing_stop"),
        ("take_profit", "", "take_profit"),
        ("flatten", "", "flatten"),
        ("external", "", "external"),
    ],
)
def test_why_a_position_was_reduced_is_on_its_trade_and_its_round_trip(
    purpose: str, said: str, expected: str
) -> None:
    bought = traded("buy", "10", "100")

    sold = traded("sell", "10", "90", purpose=purpose, exit_reason=said)

    assert Trade.objects.get(order=sold).exit_reason == expected
    assert Trade.objects.get(order=bought).exit_reason == ""
    assert trips() == [(expected, D(10), D(-100))]
    assert RoundTrip.objects.get().entry_decision_id == bought.decision_id


def test_a_leg_at_the_broker_closes_what_its_entry_opened_and_no_decision_sold_it() -> None:
    bought = traded("buy", "10", "100")

    traded("sell", "10", "95", purpose="stop_loss", decision=bought.decision)

    trip = RoundTrip.objects.get()
    assert (trip.entry_decision_id, trip.exit_decision_id) == (bought.decision_id, None)
    assert (trip.exit_reason, trip.realised_pnl) == ("stop_loss", D(-50))


def test_a_trade_that_grows_adds_what_is_new_alone() -> None:
    order = filled("buy", "10", "100")
    Order.objects.filter(pk=order.pk).update(filled_quantity=D(4), status="partially_filled")
    Fill.objects.filter(order=order).update(quantity=D(4))
    order.refresh_from_db()
    booked(order)
    make_fill(order=order, quantity=D(6), price=D(100), executed_at=OPENED + timedelta(hours=5))
    Order.objects.filter(pk=order.pk).update(filled_quantity=D(10))
    order.refresh_from_db()

    booked(order)
    booked(order)

    assert list(Lot.objects.order_by("number").values_list("remaining", flat=True)) == [D(4), D(6)]
    assert lots.rebuild() == []


def test_what_was_traded_earlier_and_is_booked_later_is_counted_in_its_place() -> None:
    later = filled("buy", "10", "120", at=OPENED + timedelta(hours=2))
    earlier = filled("buy", "10", "100", at=OPENED + timedelta(hours=1))
    booked(later, earlier)

    traded("sell", "10", "130", at=OPENED + timedelta(hours=3))

    assert trips() == [("signal", D(10), D(300))]


def test_an_execution_that_is_not_on_record_stands_in_by_the_average_until_it_is() -> None:
    order = filled("buy", "10", "110")
    Fill.objects.filter(order=order).update(quantity=D(4), price=D(100))
    booked(order)
    missing = Lot.objects.get(key__startswith="rest:")
    assert (missing.remaining, missing.cost) == (D(6), D(700))

    at = OPENED + timedelta(hours=1)
    make_fill(order=order, quantity=D(2), price=D(110), executed_at=at)
    make_fill(order=order, quantity=D(4), price=D(120), executed_at=at)
    date_trade(order)

    assert sorted(Lot.objects.values_list("remaining", "cost")) == [(2, 220), (4, 400), (4, 480)]
    assert not SymbolBook.objects.get().is_estimated


def test_trades_from_before_there_were_lots_are_caught_up() -> None:
    traded("buy", "10", "100")
    Lot.objects.all().delete()
    SymbolBook.objects.all().delete()
    Trade.objects.update(lots_quantity=0)
    assert lots.is_behind()

    traded("sell", "4", "110")
    lots.catch_up()

    assert trips() == [("signal", D(4), D(40))]
    assert not lots.is_behind()
    assert lots.rebuild() == []


def test_a_trade_is_not_booked_where_its_lots_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    order = filled("buy", "10", "100")
    monkeypatch.setattr(lots, "_write", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))

    with pytest.raises(RuntimeError, match="killed"), transaction.atomic():
        booked(order)

    assert (Trade.objects.count(), Lot.objects.count()) == (0, 0)


def test_counting_anew_finds_what_somebody_changed() -> None:
    traded("buy", "10", "100")
    traded("buy", "1", "100", symbol="MSFT")
    Lot.objects.filter(symbol="AAPL").update(cost=D(1))

    assert lots.rebuild() == ["AAPL"]
    assert lots.rebuild() == []
    assert Lot.objects.get(symbol="AAPL").cost == D(1000)


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "sell", "split", "adopt"]),
        st.decimals("0.000000001", "90", places=9),
        st.decimals("0.01", "900", places=2),
        st.integers(0, 3),  # how late it is booked
        st.sampled_from(["AAPL", "BTC/USD"]),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=8,
)


class TestCountedOn(TestCase):
    """Whatever is booked, and in whatever order."""

    @given(MOVES)
    @settings(max_examples=25)
    def test_rows_are_those_that_counting_anew_gives(self, moves: list[tuple]) -> None:  # type: ignore[type-arg]
        waiting = []
        for minute, (kind, quantity, price, delay, symbol, pieces) in enumerate(moves):
            at = OPENED + timedelta(minutes=minute)
            if kind in ("split", "adopt"):
                activity = AccountActivity(
                    key=f"{kind} {minute}",
                    kind="split" if kind == "split" else "adopted",
                    symbol=symbol,
                    quantity=0 if kind == "split" else quantity,
                    price=D(2) if kind == "split" else price,
                    happened_at=at,
                    noted_at=at,
                )
                lots.book_activities([activity])
                continue
            order = filled(
                kind,
                str(quantity * pieces),
                str(price),
                symbol=symbol,
                at=at,
                pieces=pieces,
                purpose="external",
            )
            waiting.append((minute + delay, order))
        for _, order in sorted(waiting, key=lambda each: each[0]):
            booked(order)

        assert lots.rebuild() == []


def alone() -> list[bool]:
    return list(RoundTrip.objects.order_by("number").values_list("is_alone", flat=True))


def test_executions_of_one_entry_and_exit_are_no_trade_alone_also_where_the_second_comes_later() -> None:
    traded("buy", "2", "100")
    traded("sell", "2", "103")
    traded("buy", "4", "100")
    order = filled("sell", "4", "110", at=OPENED + timedelta(hours=4))
    Order.objects.filter(pk=order.pk).update(filled_quantity=D(1), status="partially_filled")
    Fill.objects.filter(order=order).update(quantity=D(1))
    order.refresh_from_db()
    booked(order)
    assert alone() == [True, True]

    make_fill(order=order, side="sell", quantity=D(3), price=D(110), executed_at=OPENED + timedelta(hours=5))
    Order.objects.filter(pk=order.pk).update(filled_quantity=D(4))
    order.refresh_from_db()
    booked(order)

    assert alone() == [True, False, False]
    assert lots.rebuild() == []


def test_one_exit_of_two_entries_is_two_trades_alone() -> None:
    traded("buy", "2", "100")
    traded("buy", "2", "101")

    traded("sell", "4", "103")

    assert alone() == [True, True]


def test_what_left_without_a_trade_is_none() -> None:
    traded("buy", "2", "100")
    gone = {"key": "gone", "kind": "adopted", "symbol": "AAPL", "quantity": D(-2), "price": D(100)}
    later = OPENED + timedelta(days=300)

    lots.book_activities([AccountActivity(**gone, happened_at=later, noted_at=later)])

    assert alone() == [False]


def test_migration_says_of_old_rows_what_booking_says_of_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = make_decision(action="buy", price=D("99.5"))
    traded("buy", "6", "100", pieces=2, decision=seen)
    traded("sell", "2", "103")
    traded("sell", "4", "103", pieces=2)
    written = (alone(), list(Trade.objects.order_by("pk").values_list("decision_price", flat=True)))
    assert written == ([True, False, False, False], [D("99.5"), D(100), D(100)])
    migration = import_module("trading.migrations.0048_summed_up")
    monkeypatch.setattr(migration, "ROWS_A_CHUNK", 2)
    RoundTrip.objects.update(is_alone=False)
    Trade.objects.update(decision_price=None)
    StageChange.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE"
        )  # of this test's own rows: none is under way in a migration

    for fill in (migration.fill_prices, migration.fill_alone):
        fill(None, SimpleNamespace(connection=connection))

    assert (alone(), list(Trade.objects.order_by("pk").values_list("decision_price", flat=True))) == written
    assert not StageChange.objects.exists()
