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


def meant_by(text: str) -> list[str]:
    """Return the symbols that somebody may have meant by a word that is none, the likeliest first.

    ``ETH``, ``eth/usd`` and ``ETH-USD`` may mean ``ETH/USD``; ``aapl`` may mean ``AAPL``.
    """
    word = text.strip().upper()
    base = re.sub(r"[-_/]?USDT?$", "", word)
    likely = dict.fromkeys((word, f"{base}/USD", word.replace("/", ".").replace("-", ".")))
    return [symbol for symbol in likely if symbol != text and is_symbol(symbol)]


def parse_symbols(text: str) -> tuple[list[str], list[str]]:
    """Split a comma-separated list; return its distinct well-formed symbols and the malformed words."""
    words = [word.strip() for word in text.split(",")]
    good = list(dict.fromkeys(word for word in words if is_symbol(word)))
    return good, [word for word in words if not is_symbol(word)]
