"""From Alpaca's snapshots, bars and news to our value types; pure functions.

Unlike an order or a position, a price that cannot be read is left out: the gate denies what has none.
"""

import html
from collections.abc import Mapping
from datetime import datetime

from connectors.base import Bar, Headline, Quote
from connectors.wire import Fields, to_decimal, to_positive, to_time


def quote_from_snapshot(symbol: str, raw: object) -> Quote | None:
    """Return the quote of one snapshot, None where it has no usable price with a time."""
    if not isinstance(raw, dict):
        return None
    trade, minute, day, previous = (
        bar if isinstance(bar, dict) else {}
        for bar in (raw.get(name) for name in ("latestTrade", "minuteBar", "dailyBar", "prevDailyBar"))
    )
    prices = [
        (quoted_at, price)
        for quoted_at, price in (
            (to_time(minute.get("t")), to_positive(minute.get("c"))),
            (to_time(trade.get("t")), to_positive(trade.get("p"))),
        )
        if quoted_at is not None and price is not None
    ]
    if not prices:
        return None
    # The later wins, and the trade where both are of one moment.
    quoted_at, price = max(enumerate(prices), key=lambda entry: (entry[1][0], entry[0]))[1]
    volume = to_decimal(day.get("v"))
    began = to_time(day.get("t"))
    if began is None or began.date() != quoted_at.date():
        day = {}  # before a day's first trade the daily bar is the last session's
    return Quote(
        symbol=symbol,
        price=price,
        quoted_at=quoted_at,
        source="alpaca",
        previous_close=to_positive(previous.get("c")),
        day_volume=volume if volume is not None and volume >= 0 else None,
        day_high=to_positive(day.get("h")),
        day_low=to_positive(day.get("l")),
    )


def bar_from_wire(fields: Fields) -> Bar | None:
    """Return one bar, None where a price is not positive.

    Raises:
        UnavailableError: it has no time.
    """
    prices = [to_positive(fields.get(name)) for name in ("o", "h", "l", "c")]
    volume = to_decimal(fields.get("v"))
    opened_at = fields.time("t")
    open_, high, low, close = prices
    if open_ is None or high is None or low is None or close is None or volume is None or volume < 0:
        return None
    return Bar(opened_at=opened_at, open=open_, high=high, low=low, close=close, volume=volume)


def headline_from_wire(fields: Fields, spelt: Mapping[str, str], until: datetime) -> Headline | None:
    """Return one news item, None where it has no title or was edited after ``until``.

    Args:
        spelt: the provider's spelling → ours, for the symbols that were asked.

    Raises:
        UnavailableError: it has no time. Nobody can say then that it was known when the decision is made.
    """
    title = _unescaped(fields.get("headline"))
    edited_at = fields.optional_time("updated_at")
    if not title or (edited_at is not None and edited_at > until):
        return None
    tags = fields.get("symbols")
    return Headline(
        headline_id=str(fields.get("id")),
        source=_unescaped(fields.get("source")) or "alpaca",
        symbols=tuple(spelt.get(tag, tag) for tag in tags if isinstance(tag, str))
        if isinstance(tags, list)
        else (),
        title=title,
        summary=_unescaped(fields.get("summary")),
        url=_unescaped(fields.get("url")),
        published_at=fields.time("created_at"),
    )


def _unescaped(value: object) -> str:
    """Return text with HTML entities decoded, as Alpaca's news has them; "" for anything else."""
    return html.unescape(value).strip() if isinstance(value, str) else ""
