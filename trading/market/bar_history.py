"""Daily bars of each symbol up to yesterday, kept in a table and brought up to date once a market day.

A new day asks for the last six days alone. Where they agree with what is stored they are appended; where they do not,
as on the day of a split, which changes all prices before it, the history is fetched whole.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import monotonic

from django.utils import timezone

from connectors.base import Bar, BarSource, Quote
from connectors.rows import BySymbol, UnreadableRow, unreadable_of
from trading.core.providers import current_providers
from trading.core.repeated_reads import read_repeatedly
from trading.domain.symbols import is_coin
from trading.models import BarHistory

HISTORY_DAYS = 120
RECENT_DAYS = 6  # the new day, and enough before it that a long weekend leaves a whole day to compare


def bars_up_to_now(
    source: BarSource, quotes: Mapping[str, Quote], within_seconds: float
) -> BySymbol[list[Bar]]:
    """Return each quote's daily bars, oldest first, the last of them today's as far as the quote knows it.

    What is stored for the quotes' own market day is not asked again: whole days do not change, and a split
    begins with a day. Today's bar has the quote's price as its close.

    Raises:
        ConnectorError: the provider could not be asked for all that is not stored; what it told before is stored.
    """
    if not quotes:
        return BySymbol()
    days = {symbol: quote.quoted_at.astimezone(UTC).date() for symbol, quote in quotes.items()}
    known = {row.symbol: row for row in BarHistory.objects.filter(symbol__in=days)}
    stored = {symbol: row for symbol, row in known.items() if row.market_date == days[symbol]}
    older = {symbol: row for symbol, row in known.items() if symbol not in stored}
    unreadable: tuple[UnreadableRow, ...] = ()
    if len(stored) < len(days) and within_seconds > 0:
        wanted = [symbol for symbol in days if symbol not in stored]
        fetched, unreadable = _Fetch(source, days, within_seconds).bring_up_to_date(older, wanted)
        stored |= fetched
    history = {
        symbol: [*_read(row), _today(quotes[symbol], days[symbol])]
        for symbol, row in stored.items()
        if row.bars
    }
    return BySymbol(history, unreadable)


def refresh(symbols: Collection[str], *, day: date, within_seconds: float) -> None:
    """Bring the stored histories of symbols up to ``day`` (market date, exclusive), whoever looks at them now or not.

    Raises:
        ConnectorError: a provider could not be asked for all; what it told before is stored.
    """
    providers = current_providers()
    for source, is_meant in ((providers.stock_bars, False), (providers.coin_bars, True)):
        mine = [symbol for symbol in symbols if is_coin(symbol) is is_meant]
        if mine:
            older = {row.symbol: row for row in BarHistory.objects.filter(symbol__in=mine)}
            fetch = _Fetch(source, dict.fromkeys(mine, day), within_seconds)
            fetch.bring_up_to_date(older, mine)


class _Fetch:
    """What one call asks of the source, within its time.

    Args:
        days: of each symbol the day up to which its bars are wanted, exclusive.
    """

    def __init__(self, source: BarSource, days: Mapping[str, date], within_seconds: float) -> None:
        self._source = source
        self._days = days
        self._last = max(days.values())
        self._recent_from = self._last - timedelta(days=RECENT_DAYS - 1)
        self._whole_from = self._last - timedelta(days=HISTORY_DAYS)
        self._gives_up_at = monotonic() + within_seconds

    def bring_up_to_date(
        self, older: Mapping[str, BarHistory], wanted: Collection[str]
    ) -> tuple[dict[str, BarHistory], tuple[UnreadableRow, ...]]:
        """Fetch and store the histories of ``wanted``; return those found, and what could not be understood.

        Args:
            older: what is stored of some of them, of other days.
        """
        rows = self._store(self._joined(older))
        rest = [symbol for symbol in wanted if symbol not in rows]
        found = self._ask(rest, self._whole_from)
        return rows | self._store(found), unreadable_of(found)

    def _joined(self, older: Mapping[str, BarHistory]) -> dict[str, list[Bar]]:
        """Return the histories that the recent days carry on; what those say is taken where both know a day."""
        before = {s: _read(row) for s, row in older.items() if row.market_date < self._days[s]}
        ending = {s: bars for s, bars in before.items() if bars and _day(bars[-1]) >= self._recent_from}
        recent = self._ask(list(ending), self._recent_from)
        odd = {row.symbol for row in unreadable_of(recent)}
        return {
            symbol: [bar for bar in bars if self._whole_from <= _day(bar) < self._recent_from]
            + recent[symbol]
            for symbol, bars in ending.items()
            if symbol in recent and symbol not in odd and self._agree(bars, recent[symbol])
        }

    def _agree(self, before: Sequence[Bar], recent: Sequence[Bar]) -> bool:
        """Tell whether the same prices are told of the same days, as far as ``before`` goes; a volume may be mended."""
        known = {_day(bar): _prices(bar) for bar in before if _day(bar) >= self._recent_from}
        told = {_day(bar): _prices(bar) for bar in recent if _day(bar) <= _day(before[-1])}
        return known == told

    def _ask(self, symbols: list[str], start: date) -> dict[str, list[Bar]]:
        """Return whole days alone."""
        if not symbols:
            return BySymbol()
        left = max(self._gives_up_at - monotonic(), 0.0)
        found = read_repeatedly(
            lambda _: self._source.daily_bars(symbols, start=start, end=self._last), within_seconds=left
        )
        # What the provider left out is asked again: it may be a gap of the moment.
        whole = {s: [bar for bar in found[s] if _day(bar) < self._days[s]] for s in symbols if s in found}
        return BySymbol(whole, unreadable_of(found))

    def _store(self, histories: Mapping[str, Sequence[Bar]]) -> dict[str, BarHistory]:
        now = timezone.now()
        rows = [
            BarHistory(
                symbol=symbol,
                market_date=self._days[symbol],
                bars=[_write(bar) for bar in bars],
                fetched_at=now,
            )
            for symbol, bars in histories.items()
        ]
        BarHistory.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["symbol"],
            update_fields=["market_date", "bars", "fetched_at"],
        )
        return {row.symbol: row for row in rows}


def _day(bar: Bar) -> date:
    return bar.opened_at.date()


def _prices(bar: Bar) -> tuple[Decimal, ...]:
    return bar.open, bar.high, bar.low, bar.close


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
