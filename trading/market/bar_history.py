"""Daily bars of each symbol up to yesterday, kept in a table and fetched once a market day."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.utils import timezone

from connectors.base import Bar, BarSource, Quote
from connectors.rows import BySymbol, UnreadableRow, unreadable_of
from trading.core.repeated_reads import read_repeatedly
from trading.models import BarHistory

HISTORY_DAYS = 120


def bars_up_to_now(
    source: BarSource, quotes: Mapping[str, Quote], within_seconds: float
) -> BySymbol[list[Bar]]:
    """Return each quote's daily bars, oldest first, the last of them today's as far as the quote knows it.

    What is stored for the quotes' own market day is not asked again: whole days do not change, and a split
    begins with a day. Today's bar has the quote's price as its close.

    Raises:
        ConnectorError: the provider could not be asked for what is not stored; nothing was changed.
    """
    if not quotes:
        return BySymbol()
    days = {symbol: quote.quoted_at.astimezone(UTC).date() for symbol, quote in quotes.items()}
    stored = {
        row.symbol: row
        for row in BarHistory.objects.filter(symbol__in=days)
        if row.market_date == days[row.symbol]
    }
    unknown = [symbol for symbol in days if symbol not in stored]
    unreadable: tuple[UnreadableRow, ...] = ()
    if unknown and within_seconds > 0:
        fetched, unreadable = _fetch(source, unknown, days, within_seconds)
        stored |= fetched
    history = {
        symbol: [*_read(row), _today(quotes[symbol], days[symbol])]
        for symbol, row in stored.items()
        if row.bars
    }
    return BySymbol(history, unreadable)


def _fetch(
    source: BarSource, symbols: Sequence[str], days: Mapping[str, date], within_seconds: float
) -> tuple[dict[str, BarHistory], tuple[UnreadableRow, ...]]:
    last = max(days[symbol] for symbol in symbols)
    found = read_repeatedly(
        lambda _: source.daily_bars(symbols, start=last - timedelta(days=HISTORY_DAYS), end=last),
        within_seconds=within_seconds,
    )
    now = timezone.now()
    rows = [
        BarHistory(
            symbol=symbol,
            market_date=days[symbol],
            bars=[_write(bar) for bar in bars if bar.opened_at.date() < days[symbol]],
            fetched_at=now,
        )
        for symbol, bars in found.items()
        if symbol in days  # what the provider left out is asked again: it may be a gap of the moment
    ]
    BarHistory.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["symbol"],
        update_fields=["market_date", "bars", "fetched_at"],
    )
    return {row.symbol: row for row in rows}, unreadable_of(found)


def _write(bar: Bar) -> list[str]:
    figures = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return [bar.opened_at.isoformat(), *(str(figure) for figure in figures)]


def _read(row: BarHistory) -> list[Bar]:
    return [Bar(datetime.fromisoformat(opened_at), *map(Decimal, rest)) for opened_at, *rest in row.bars]


def _today(quote: Quote, day: date) -> Bar:
    """Return today's bar so far; a source that tells no high and low leaves the price."""
    price = quote.price
    return Bar(
        opened_at=datetime.combine(day, time(), UTC),
        open=price,
        high=max(price, quote.day_high or price),
        low=min(price, quote.day_low or price),
        close=price,
        volume=quote.day_volume or Decimal(0),
    )
