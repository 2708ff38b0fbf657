"""A symbol's candles, of what is stored: daily bars, and within days the prices that cycles saw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from trading.core.statements.together import Select
from trading.models import BarHistory

_SEEN = """
SELECT EXTRACT(EPOCH FROM date_bin(%s::interval, quoted_at, 'epoch'))::bigint AS at, MIN(price) AS low,
       MAX(price) AS high, (array_agg(price ORDER BY quoted_at, id))[1] AS open,
       (array_agg(price ORDER BY quoted_at DESC, id DESC))[1] AS close, COUNT(*) AS prices
FROM (SELECT id, price, quoted_at FROM market_snapshots WHERE symbol = %s ORDER BY quoted_at DESC LIMIT %s) AS newest
GROUP BY 1 ORDER BY 1 DESC LIMIT %s
"""
MOST_CANDLES = 240


class Span(StrEnum):
    """How much time a candle is of."""

    DAY = "day"
    HOUR = "hour"
    MINUTES = "minutes"


@dataclass(frozen=True, slots=True)
class _Size:
    length: timedelta
    words: str
    most_prices: int  # read at most: a cycle a minute, for as many candles as are shown


SIZES: Mapping[Span, _Size] = MappingProxyType(
    {
        Span.DAY: _Size(timedelta(days=1), "1 day", 3_000),
        Span.HOUR: _Size(timedelta(hours=1), "1 hour", 15_000),
        Span.MINUTES: _Size(timedelta(minutes=5), "5 minutes", 1_500),
    }
)


@dataclass(frozen=True, slots=True)
class Candle:
    """Prices in USD of one span of market time from ``at``; ``prices`` counts those seen, None: the provider's bar."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    prices: int | None = None


def seen_prices(symbol: str, span: Span) -> Select:
    """Return the select of the candles of what cycles saw, the newest first."""
    size = SIZES[span]
    return Select(_SEEN, (size.words, symbol, size.most_prices, MOST_CANDLES))


def candles_of(span: Span, seen: Sequence[Mapping[str, Any]], history: BarHistory | None) -> list[Candle]:
    """Return the candles, oldest first: of days the stored bars, and what cycles saw from where those end.

    Args:
        seen: the rows of ``seen_prices``.
    """
    own = [_seen(row) for row in reversed(seen)]
    if span is not Span.DAY or history is None:
        return own
    bars = list(_bars(history))
    return [*bars, *(one for one in own if one.at.date() >= history.market_date)][-MOST_CANDLES:]


def start_of(moment: datetime, span: Span) -> datetime:
    """Return the beginning of the candle that a moment belongs to."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    length = SIZES[span].length
    return epoch + (moment - epoch) // length * length


def _seen(row: Mapping[str, Any]) -> Candle:
    opened, high, low, close = (Decimal(row[name]) for name in ("open", "high", "low", "close"))
    return Candle(datetime.fromtimestamp(row["at"], UTC), opened, high, low, close, row["prices"])


def _bars(history: BarHistory) -> Iterator[Candle]:
    for at, *prices in history.bars:
        opened, high, low, close = (Decimal(text) for text in prices[:4])
        moment = datetime.fromisoformat(at)
        yield Candle(start_of(moment, Span.DAY), opened, high, low, close)
