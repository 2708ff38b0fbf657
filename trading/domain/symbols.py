"""What a symbol looks like: ``AAPL``, ``BRK.B``, ``BTC/USD``."""

import re

STOCK = re.compile(r"[A-Z][A-Z0-9]{0,5}(?:[.-][A-Z0-9]{1,3})?")
COIN = re.compile(r"[A-Z0-9]{2,10}/USD")
EXPECTED = "a stock like AAPL or BRK.B, or a coin like BTC/USD"


def is_coin(symbol: str) -> bool:
    """Return whether the symbol names a coin against USD."""
    return COIN.fullmatch(symbol) is not None


def is_symbol(symbol: str) -> bool:
    """Return whether the text is a well-formed stock or coin symbol (ASCII, upper case)."""
    return is_coin(symbol) or STOCK.fullmatch(symbol) is not None


def parse_symbols(text: str) -> tuple[list[str], list[str]]:
    """Split a comma-separated list; return its distinct well-formed symbols and the malformed words."""
    words = [word.strip() for word in text.split(",")]
    good = list(dict.fromkeys(word for word in words if is_symbol(word)))
    return good, [word for word in words if not is_symbol(word)]
