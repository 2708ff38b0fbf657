"""Symbols: what is let in is plain ASCII in upper case, and nothing else."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.domain.symbols import is_coin, is_symbol, meant_by, parse_symbols

ALLOWED = set(string.ascii_uppercase + string.digits + "./-")


@pytest.mark.parametrize("symbol", ["A", "AAPL", "BRK.B", "BF-B", "AL1Q", "GOOGL"])
def test_stock_symbols_are_known(symbol: str) -> None:
    assert is_symbol(symbol)
    assert not is_coin(symbol)


@pytest.mark.parametrize("symbol", ["BTC/USD", "1INCH/USD", "AAVE/USD"])
def test_coin_symbols_are_known(symbol: str) -> None:
    assert is_symbol(symbol)
    assert is_coin(symbol)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "aapl", "AAPL ", " AAPL", "AAPL\n", "BTC/usd", "BTC/EUR", "BTCUSD/", "/USD", "BTC//USD"),
        *("AAPL,MSFT", "AAPL;DROP", "../etc", "BRK..B", "BRK.", "TOOLONGX", "0AAPL", "A\x00B"),
        *("\u0410APL", "\uff21APL", "AAPL\u200b", "BTC\u2044USD", "BTC\uff0fUSD", "\u0661INCH/USD", "ﬀ"),
    ],
)
def test_what_looks_like_a_symbol_is_not_one(text: str) -> None:
    """docs/lessons.md#lesson-12: lower case, spaces, look-alikes and paths do not pass."""
    assert not is_symbol(text)


@given(text=st.text() | st.from_regex(r"\A\w{1,6}(/USD)?\Z"))
def test_no_symbol_has_anything_but_upper_case_ascii(text: str) -> None:
    """docs/lessons.md#lesson-12."""
    if is_symbol(text):
        assert set(text) <= ALLOWED
        assert text == text.upper().strip()
        assert 1 <= len(text) <= 14


@given(text=st.from_regex(r"\A[A-Z][A-Z0-9]{0,5}\Z"))
def test_every_plain_ticker_is_a_symbol(text: str) -> None:
    assert is_symbol(text) == (not text.endswith("\n"))


def test_list_is_split_into_distinct_symbols_and_malformed_words() -> None:
    good, malformed = parse_symbols("AAPL, BTC/USD,AAPL,aapl,, MS FT")

    assert good == ["AAPL", "BTC/USD"]
    assert malformed == ["aapl", "", "MS FT"]


@given(text=st.text(alphabet=string.ascii_letters + ",/ .$é"))
def test_no_word_of_a_list_is_lost(text: str) -> None:
    good, malformed = parse_symbols(text)

    assert set(good) | set(malformed) == {word.strip() for word in re.split(",", text)}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("ETH", "ETH/USD"),
        ("eth/usd", "ETH/USD"),
        ("ETH-USD", "ETH/USD"),
        ("ETHUSDT", "ETH/USD"),
        ("aapl", "AAPL"),
        ("BRK/B", "BRK.B"),
    ],
)
def test_what_may_have_been_meant_is_named(text: str, meant: str) -> None:
    assert meant in meant_by(text)


@given(text=st.text())
def test_what_may_have_been_meant_is_always_another_symbol(text: str) -> None:
    assert all(is_symbol(symbol) and symbol != text for symbol in meant_by(text))
