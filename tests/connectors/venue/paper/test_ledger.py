"""The account's bookkeeping: nothing appears, nothing vanishes, nothing is negative."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.venue.paper.ledger import CRYPTO_FEE, STARTING_CASH, Ledger

quantities = st.decimals("0.000000001", "1000", places=9)
prices = st.decimals("0.0001", "5000", places=4)
fills = st.lists(
    st.tuples(st.sampled_from(["AAPL", "BTC/USD"]), st.booleans(), quantities, prices), max_size=30
)


@given(fills)
def test_cash_and_positions_account_for_every_fill(steps: list[tuple[str, bool, Decimal, Decimal]]) -> None:
    ledger = Ledger()
    cash, held = STARTING_CASH, {"AAPL": Decimal(0), "BTC/USD": Decimal(0)}

    for symbol, is_buy, quantity, price in steps:
        if not is_buy and quantity > ledger.quantity(symbol):
            with pytest.raises(ValueError, match="cannot sell"):
                ledger.book(symbol, "sell", quantity, price, is_crypto="/" in symbol)
            continue
        booking = ledger.book(symbol, "buy" if is_buy else "sell", quantity, price, is_crypto="/" in symbol)
        cash += booking.cash_change
        held[symbol] += booking.quantity_change

    assert ledger.cash == cash
    assert {symbol: ledger.quantity(symbol) for symbol in held} == held
    assert all(holding.quantity > 0 for holding in ledger.holdings.values())


@given(quantities, prices)
def test_stock_round_trip_at_one_price_costs_nothing(quantity: Decimal, price: Decimal) -> None:
    ledger = Ledger()

    ledger.book("AAPL", "buy", quantity, price, is_crypto=False)
    ledger.book("AAPL", "sell", quantity, price, is_crypto=False)

    assert ledger.cash == STARTING_CASH
    assert ledger.holdings == {}


def test_coin_fee_is_taken_in_the_coin_on_a_buy_and_in_usd_on_a_sell() -> None:
    ledger = Ledger()

    bought = ledger.book("BTC/USD", "buy", Decimal(1), Decimal(10_000), is_crypto=True)
    sold = ledger.book("BTC/USD", "sell", Decimal("0.9975"), Decimal(10_000), is_crypto=True)

    assert (bought.cash_change, bought.quantity_change) == (Decimal(-10_000), 1 - CRYPTO_FEE)
    assert sold.fee == Decimal("24.9375")
    assert ledger.holdings == {}


def test_selling_the_gross_quantity_of_a_coin_is_impossible() -> None:
    """docs/lessons.md#lesson-38."""
    ledger = Ledger()
    ledger.book("BTC/USD", "buy", Decimal(1), Decimal(10_000), is_crypto=True)

    with pytest.raises(ValueError, match=r"only 0\.9975"):
        ledger.book("BTC/USD", "sell", Decimal(1), Decimal(10_000), is_crypto=True)


def test_cost_shrinks_in_proportion_to_what_is_sold() -> None:
    ledger = Ledger()
    ledger.book("AAPL", "buy", Decimal(4), Decimal(100), is_crypto=False)

    ledger.book("AAPL", "sell", Decimal(1), Decimal(150), is_crypto=False)

    assert ledger.holdings["AAPL"].cost == Decimal(300)
    assert ledger.holdings["AAPL"].average_price == Decimal(100)


@pytest.mark.parametrize(("quantity", "price"), [(0, 1), (1, 0), (-1, 1)])
def test_nothing_is_booked_without_a_positive_quantity_and_price(quantity: int, price: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Ledger().book("AAPL", "buy", Decimal(quantity), Decimal(price), is_crypto=False)
