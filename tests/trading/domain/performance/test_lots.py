"""Lots counted from entries: worked by hand, and laws that hold for any entries."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count as numbers
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.performance.lots import Counted, Entry, Kind, Ledger, Method, count

START = datetime(2026, 11, 2, 15, tzinfo=UTC)
D = Decimal
_minute = numbers()


def execution(text: str, *, order: int = 0, minute: int | None = None) -> Entry:
    """``buy 10 at 100``."""
    side, quantity, _, price = text.split()
    at = START + timedelta(minutes=next(_minute) if minute is None else minute)
    key = f"{text} {at:%d %H:%M}"
    return Entry(at, at, key, Kind.EXECUTION, D(quantity), D(price), side == "buy", UUID(int=order))


def other(kind: Kind, quantity: str = "0", price: str = "1") -> Entry:
    at = START + timedelta(minutes=next(_minute))
    return Entry(at, at, f"{kind} {at}", kind, D(quantity), D(price))


def counted(*entries: Entry, coin: bool = False, method: Method = Method.FIFO) -> Counted:
    return count(entries, is_coin=coin, method=method)


def test_the_oldest_is_sold_first() -> None:
    found = counted(
        execution("buy 10 at 100", order=1),
        execution("buy 10 at 120", order=2),
        execution("sell 15 at 130", order=3),
    )

    assert [(c.lot, c.order_id, c.quantity, c.realised) for c in found.closes] == [
        (1, UUID(int=3), D(10), D(300)),
        (2, UUID(int=3), D(5), D(50)),
    ]
    assert (found.ledger.quantity, found.ledger.cost) == (D(5), D(600))


def test_average_cost_takes_of_every_lot_its_share() -> None:
    found = counted(
        execution("buy 10 at 100"),
        execution("buy 10 at 120"),
        execution("sell 15 at 130"),
        method=Method.AVERAGE,
    )

    assert found.ledger.realised == D(15) * (D(130) - D(110))
    assert (found.ledger.quantity, found.ledger.cost) == (D(5), D(550))
    assert [c.quantity for c in found.closes] == [D("7.5"), D("7.5")]


def test_a_coins_fee_is_taken_in_the_coin_at_the_buy_and_in_dollars_at_the_sale() -> None:
    """docs/lessons.md#lesson-38."""
    found = counted(execution("buy 1 at 100"), execution("sell 0.9975 at 110"), coin=True)

    (close,) = found.closes
    assert close.realised == D("9.450687")  # 109.725 less 25 bps, less the 100 spent
    assert close.fees == D("0.25") + D("0.274313")
    assert found.ledger.quantity == 0
    assert (close.exit_price - close.entry_price) * close.quantity - close.fees == close.realised


def test_what_rounding_a_fee_leaves_over_is_no_lot() -> None:
    kept = counted(execution("buy 0.333333333 at 90000"), execution("sell 0.332499997 at 91000"), coin=True)
    beyond = counted(execution("buy 0.333333333 at 90000"), execution("sell 0.332500003 at 91000"), coin=True)

    assert [lot.remaining for lot in (*kept.lots, *beyond.lots)] == [0, 0]
    assert kept.ledger.cost == beyond.ledger.cost == 0


def test_a_split_changes_units_and_prices_and_no_money() -> None:
    """NEE, 2020-10-27: four for one."""
    found = counted(
        execution("buy 10 at 280"),
        other(Kind.SPLIT, price="4"),
        execution("sell 20 at 75"),
    )

    (close,) = found.closes
    assert (close.entry_price, close.quantity, close.realised) == (D(70), D(20), D(100))
    assert (found.ledger.quantity, found.ledger.cost) == (D(20), D(1400))


def test_what_no_execution_explains_has_the_brokers_cost_and_no_order() -> None:
    found = counted(other(Kind.ADOPTED, "10", "50"), execution("sell 4 at 60", order=9))

    (lot,), (close,) = found.lots, found.closes
    assert (lot.order_id, lot.remaining, lot.cost) == (None, D(6), D(300))
    assert close.realised == D(40)
    assert found.ledger.moved == D(500)


def test_what_leaves_without_a_trade_earns_nothing() -> None:
    found = counted(execution("buy 10 at 50"), other(Kind.ADOPTED, "-4", "70"))

    assert found.ledger.realised == 0
    assert (found.ledger.quantity, found.ledger.cost, found.ledger.moved) == (D(6), D(300), D(-200))


def test_more_sold_than_was_held_is_a_short_lot_and_a_buy_closes_it() -> None:
    found = counted(execution("buy 5 at 10"), execution("sell 8 at 12"), execution("buy 3 at 11"))

    assert [(c.lot, c.quantity, c.realised) for c in found.closes] == [(1, D(5), D(10)), (2, D(3), D(3))]
    assert found.ledger.quantity == 0


def test_an_entry_that_comes_late_is_refused_by_the_ledger() -> None:
    ledger = Ledger(is_coin=False)
    ledger.apply(execution("buy 5 at 10", minute=900))

    with pytest.raises(ValueError, match="belongs before"):
        ledger.apply(execution("buy 5 at 10", minute=899))


QUANTITIES = st.decimals("0.000000001", "5000", places=9)
PRICES = st.decimals("0.0001", "90000", places=4)


@st.composite
def histories(draw: st.DrawFn) -> list[Entry]:
    entries = []
    for minute in range(draw(st.integers(1, 12))):
        at = START + timedelta(minutes=minute)
        kind = draw(st.sampled_from([Kind.EXECUTION] * 8 + [Kind.ADOPTED, Kind.SPLIT]))
        quantity, price = draw(QUANTITIES), draw(PRICES)
        if kind is Kind.SPLIT:
            price = draw(st.sampled_from([D(2), D(4), D("0.1"), D("1.5")]))
        if kind is Kind.ADOPTED and draw(st.booleans()):
            quantity = -quantity
        is_buy = draw(st.booleans())
        entries.append(Entry(at, at, str(minute), kind, quantity, price, is_buy, UUID(int=minute)))
    return entries


@given(histories(), st.booleans(), st.sampled_from(Method))
def test_money_is_neither_made_nor_lost_by_counting(entries: list[Entry], coin: bool, method: Method) -> None:
    """What came to the cash and what the lots cost is what was earned and what came in; in whole, and by lot."""
    found = count(entries, is_coin=coin, method=method)

    ledger = found.ledger
    assert ledger.flow + ledger.cost == ledger.realised + ledger.moved
    assert sum(close.realised for close in found.closes) == ledger.realised
    assert all(lot.remaining >= 0 and lot.cost >= 0 for lot in found.lots)
    assert len({lot.is_long for lot in ledger.lots}) <= 1
    assert sum(close.fees for close in found.closes) + sum(lot.fee for lot in ledger.lots) <= ledger.fees


@given(histories(), st.booleans(), st.data())
def test_counting_on_gives_what_counting_anew_gives(
    entries: list[Entry], coin: bool, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(entries)))
    ledger = Ledger(is_coin=coin)
    for entry in entries[:at]:
        ledger.apply(entry)
    for entry in entries[at:]:
        ledger.apply(entry)

    shuffled = data.draw(st.permutations(entries))
    assert count(shuffled, is_coin=coin).ledger == ledger


@given(histories())
def test_both_methods_hold_the_same_and_earn_the_same_in_the_end(entries: list[Entry]) -> None:
    entries = [e for e in entries if e.kind is Kind.EXECUTION]
    held = count(entries, is_coin=False).ledger.quantity
    if held:
        at = START + timedelta(hours=9)
        last = Entry(at, at, "last", Kind.EXECUTION, abs(held), D(50), held < 0, UUID(int=99))
        entries = [*entries, last]

    fifo, average = (count(entries, is_coin=False, method=method).ledger for method in Method)
    assert fifo.quantity == average.quantity == 0
    assert fifo.realised == average.realised == fifo.flow
