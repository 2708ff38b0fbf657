"""Alpaca's spellings of symbols: coins are ``BTC/USD`` in orders and bars, ``BTCUSD`` in positions."""

import re
from collections.abc import Iterable, Iterator, Mapping

from connectors.base import AssetClass

# No suffix of one another, so a joined pair ends in at most one of them.
QUOTE_CURRENCIES = ("USD", "USDC", "USDT", "BTC")

# A class suffix (BRK.B) is common stock; .U, .W and .R are units, warrants and rights.
_COMMON_STOCK = re.compile(r"[A-Z]{1,5}(?:\.[A-K])?")
_STOCK = re.compile(r"[A-Z][A-Z0-9]{0,9}(?:\.[A-Z]{1,3})?")
_PAIR = re.compile(r"[A-Z0-9]{2,10}/[A-Z]{3,4}")


def split_pair(joined: str, listed: Mapping[str, str]) -> str | None:
    """Return ``BTC/USD`` for ``BTCUSD``, or None where no known quote currency fits.

    Args:
        joined: a position's symbol; one that holds a slash already is returned as it is.
        listed: joined → pair, from the asset listing; it decides where it knows the symbol.
    """
    if "/" in joined:
        return joined
    if joined in listed:
        return listed[joined]
    for quote_currency in QUOTE_CURRENCIES:
        base = joined.removesuffix(quote_currency)
        if base and base != joined:
            return f"{base}/{quote_currency}"
    return None


def join_pair(symbol: str) -> str:
    """Return ``BTCUSD`` for ``BTC/USD``; stocks stay as they are."""
    return symbol.replace("/", "")


def is_common_stock(symbol: str, exchange: str, name: str) -> bool:
    """Tell whether a listing is a share or fund on an exchange, not a warrant, unit, right or OTC paper."""
    if exchange == "OTC" or _COMMON_STOCK.fullmatch(symbol) is None:
        return False
    # On Nasdaq a fifth letter R, U or W marks these, but is also an ordinary last letter.
    kind = {"R": "right", "U": "unit", "W": "warrant"}.get(symbol[-1]) if len(symbol) == 5 else None
    return kind is None or kind not in name.lower()


def askable(symbols: Iterable[str], asset_class: AssetClass) -> list[str]:
    """Return the well-formed symbols of one class, each once, in order.

    Alpaca answers 400 for a whole batch that holds a symbol of another class or shape.
    """
    pattern = _PAIR if asset_class is AssetClass.CRYPTO else _STOCK
    return [symbol for symbol in dict.fromkeys(symbols) if pattern.fullmatch(symbol)]


def batches(symbols: list[str], size: int) -> Iterator[list[str]]:
    """Yield the symbols in order, ``size`` at a time, for addresses that take only so many."""
    for first in range(0, len(symbols), size):
        yield symbols[first : first + size]
