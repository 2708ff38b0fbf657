"""The gate's book as JSON values and back, exactly: money and quantities as text, digit for digit."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from risk.domain.reasons import DenyReason
from risk.domain.types import EntryRate, RiskBook, TradingState

_AMOUNTS = ("equity", "session_start_equity", "buying_power", "not_in_buying_power")
_BY_SYMBOL = ("exposures", "reserved", "open_risk")
_SYMBOLS = ("pending_symbols", "foreign_pending_symbols", "unclear_symbols")


def book_to_json(book: RiskBook) -> dict[str, Any]:
    """Return the book as JSON values; what is held of a single intent's symbol is no part of it."""
    return {
        "switch_engaged": book.switch_engaged,
        "trading_state": book.trading_state.value,
        "entries_paused": book.entries_paused,
        **{name: _text(getattr(book, name)) for name in _AMOUNTS},
        **{
            name: {symbol: str(usd) for symbol, usd in sorted(getattr(book, name).items())}
            for name in _BY_SYMBOL
        },
        **{name: sorted(getattr(book, name)) for name in _SYMBOLS},
        "entry_rates": [
            [rate.reason.value, rate.entries, rate.most, rate.frees_at and rate.frees_at.isoformat()]
            for rate in book.entry_rates
        ],
    }


def book_from_json(values: Mapping[str, Any]) -> RiskBook:
    """Return the book that ``book_to_json`` wrote.

    Raises:
        ValueError: it did not write this.
    """
    try:
        amounts = {name: None if values[name] is None else Decimal(values[name]) for name in _AMOUNTS}
        return RiskBook(
            switch_engaged=values["switch_engaged"],
            trading_state=TradingState(values["trading_state"]),
            entries_paused=values["entries_paused"],
            equity=amounts["equity"],
            session_start_equity=amounts["session_start_equity"],
            buying_power=Decimal(values["buying_power"]),
            not_in_buying_power=amounts["not_in_buying_power"],
            exposures=_usd_by_symbol(values["exposures"]),
            reserved=_usd_by_symbol(values["reserved"]),
            open_risk=_usd_by_symbol(values["open_risk"]),
            pending_symbols=frozenset(values["pending_symbols"]),
            foreign_pending_symbols=frozenset(values["foreign_pending_symbols"]),
            unclear_symbols=frozenset(values["unclear_symbols"]),
            entry_rates=tuple(
                EntryRate(DenyReason(reason), entries, most, frees_at and datetime.fromisoformat(frees_at))
                for reason, entries, most, frees_at in values["entry_rates"]
            ),
        )
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"this is no book: {error!r}") from error


def _usd_by_symbol(values: Mapping[str, str]) -> dict[str, Decimal]:
    return {symbol: Decimal(usd) for symbol, usd in values.items()}


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
