"""A book without an account: nothing appears, nothing is lost, nobody trades at the price he saw."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.domain.shadow_book import (
    Accepted,
    Costs,
    Priced,
    ShadowBook,
    accept,
    fill_price,
    fill_waiting,
    split,
)
from evaluation.errors import EvaluationError

SEEN = datetime(2026, 3, 2, 15, tzinfo=UTC)
NEXT = SEEN + timedelta(minutes=1)
FREE = Costs(Decimal(0), Decimal(0))
CASH = Decimal(100_000)


def order(side: str = "buy", quantity: str = "10", symbol: str = "AAPL", at: datetime = SEEN) -> Accepted:
    return Accepted("d1", symbol, side, Decimal(quantity), at)


def priced(price: str = "100", at: datetime = NEXT, symbol: str = "AAPL") -> dict[str, Priced]:
    return {symbol: Priced(Decimal(price), at)}


def traded(book: ShadowBook, each: Accepted, price: str, costs: Costs = FREE) -> ShadowBook:
    prices = priced(price, at=each.decided_at + timedelta(minutes=1), symbol=each.symbol)
    return fill_waiting(accept(book, each), prices, costs={each.symbol: costs}, seed=1)[0]


def test_an_order_waits_for_a_later_price_than_it_saw() -> None:
    book = accept(ShadowBook(CASH), order())

    same, none = fill_waiting(book, priced(at=SEEN), costs={"AAPL": FREE}, seed=1)
    absent, nothing = fill_waiting(book, {}, costs={}, seed=1)
    after, fills = fill_waiting(book, priced("101"), costs={"AAPL": FREE}, seed=1)

    assert (same, none, absent, nothing) == (book, (), book, ())
    assert (after.cash, after.held("AAPL"), after.waiting) == (CASH - 1_010, Decimal(10), ())
    assert (fills[0].price, fills[0].at) == (Decimal(101), NEXT)


def test_costs_are_against_the_order_and_the_same_again() -> None:
    costs, now = Costs(Decimal(10), Decimal(30)), Priced(Decimal(100), NEXT)

    buys = [fill_price(order(symbol=f"S{n}"), now, costs, seed=7) for n in range(50)]
    sell = fill_price(order("sell"), now, costs, seed=7)

    assert all(Decimal("100.1") <= price < Decimal("100.4") for price in buys)
    assert len(set(buys)) == 50
    assert Decimal("99.6") < sell <= Decimal("99.9")
    assert (
        fill_price(order("sell"), now, costs, seed=7) == sell != fill_price(order("sell"), now, costs, seed=8)
    )


def test_what_was_earned_is_after_both_fees() -> None:
    coin = Costs(Decimal(0), Decimal(0), fee_bps=Decimal(25))
    bought = traded(ShadowBook(CASH), order(), "100", coin)
    sold = traded(bought, order("sell", "4"), "110", coin)

    assert bought.cash == CASH - Decimal("1002.5")
    assert sold.realised == 4 * 110 - Decimal("1.1") - Decimal("401")
    assert sold.held("AAPL") == 6


def test_a_purchase_is_cut_to_cash_and_a_sale_to_what_is_held() -> None:
    poor = traded(ShadowBook(Decimal(150)), order(), "100")
    short = traded(ShadowBook(CASH), order("sell"), "100")

    assert (poor.held("AAPL"), poor.cash) == (Decimal("1.5"), 0)
    assert (short, short.waiting) == (ShadowBook(CASH), ())


def test_sales_bring_the_cash_of_purchases() -> None:
    full = traded(ShadowBook(Decimal(1_000)), order(), "100")
    book = accept(accept(full, order("buy", "5", "MSFT")), order("sell", "10"))

    prices = priced() | priced("200", symbol="MSFT")
    after, fills = fill_waiting(book, prices, costs={"AAPL": FREE, "MSFT": FREE}, seed=1)

    assert [each.side for each in fills] == ["sell", "buy"]
    assert (after.held("MSFT"), after.cash) == (Decimal(5), 0)


def test_one_order_of_a_symbol_waits() -> None:
    with pytest.raises(EvaluationError, match="waits already"):
        accept(accept(ShadowBook(CASH), order()), order("sell"))


@pytest.mark.parametrize("wrong", [order(quantity="0"), order(quantity="-1"), order("short")])
def test_an_order_that_is_none_is_refused(wrong: Accepted) -> None:
    with pytest.raises(EvaluationError, match="buys or sells"):
        accept(ShadowBook(CASH), wrong)


def test_a_split_changes_units_and_no_worth() -> None:
    book = accept(traded(ShadowBook(CASH), order(), "100"), order("sell", "10"))

    after = split(book, "AAPL", ratio=Decimal(4))

    assert after.held("AAPL") == after.waiting[0].quantity == 40
    assert after.equity({"AAPL": Decimal(25)}) == book.equity({"AAPL": Decimal(100)}) == CASH
    assert after.equity({}) == CASH
    with pytest.raises(EvaluationError, match="positive"):
        split(book, "AAPL", ratio=Decimal(0))


def test_exposures_are_by_symbol_at_cost_without_a_price() -> None:
    book = traded(traded(ShadowBook(CASH), order(), "100"), order(symbol="MSFT"), "200")

    assert book.exposures({"AAPL": Decimal(120)}) == {"AAPL": 1_200, "MSFT": 2_000}


steps = st.tuples(
    st.sampled_from(["AAPL", "MSFT"]),
    st.sampled_from(["buy", "sell"]),
    st.decimals("0.001", "2000", places=3),
    st.decimals("0.01", "3000", places=2),
)


@settings(max_examples=60, deadline=None)
@given(trades=st.lists(steps, max_size=25), fee=st.sampled_from(["0", "25"]))
def test_cash_and_cost_change_by_what_was_realised_alone(
    trades: list[tuple[str, str, Decimal, Decimal]], fee: str
) -> None:
    costs = Costs(fee_bps=Decimal(fee))
    book, moment, earned = ShadowBook(CASH), SEEN, Decimal(0)
    for symbol, side, quantity, price in trades:
        book = accept(book, Accepted("d", symbol, side, quantity, moment))
        moment += timedelta(minutes=1)
        prices = {symbol: Priced(price, moment)}
        book, fills = fill_waiting(book, prices, costs={symbol: costs}, seed=3)
        earned += sum((each.realised for each in fills), Decimal(0))

        assert book.cash >= 0
        assert all(holding.quantity > 0 for holding in book.holdings.values())
        cost = sum((holding.cost for holding in book.holdings.values()), Decimal(0))
        assert abs(book.cash + cost - CASH - book.realised) < Decimal("1e-12")
    assert book.realised == earned
