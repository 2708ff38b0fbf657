"""From Alpaca's snapshots, bars and news to our value types; pure functions.

A price that is not there is left out, a price that cannot be understood is left out and named: the gate denies what has
none.
"""

import html
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from connectors.base import Bar, Headline, Quote
from connectors.errors import MalformedError
from connectors.rows import LONGEST_SYMBOL, UnreadableRow
from connectors.wire import LARGEST_NUMBER, LARGEST_VOLUME, ZERO, Fields, to_positive

_PARTS = ("latestTrade", "minuteBar", "dailyBar", "prevDailyBar")


def quote_from_snapshot(symbol: str, raw: object, odd: list[UnreadableRow] | None = None) -> Quote | None:
    """Return the quote of one snapshot, None where it has no usable price with a time.

    Args:
        odd: what cannot be understood is added here; the quote is made without it.
    """
    if raw is None:
        return None
    notes = _Notes(symbol, [] if odd is None else odd)
    trade, minute, day, previous = notes.parts(raw)
    prices = [
        (quoted_at, price)
        for quoted_at, price in (
            (notes.time(minute, "t"), notes.price(minute, "c")),
            (notes.time(trade, "t"), notes.price(trade, "p")),
        )
        if quoted_at is not None and price is not None
    ]
    if not prices:
        return None
    # The later wins, and the trade where both are of one moment.
    quoted_at, price = max(enumerate(prices), key=lambda entry: (entry[1][0], entry[0]))[1]
    volume = notes.figure(day, "v", LARGEST_VOLUME)
    began = notes.time(day, "t")
    high, low = notes.price(day, "h"), notes.price(day, "l")
    if began is None or began.date() != quoted_at.date():
        high = low = None  # before a day's first trade the daily bar is the last session's
    return Quote(
        symbol=symbol,
        price=price,
        quoted_at=quoted_at,
        source="alpaca",
        previous_close=notes.price(previous, "c"),
        day_volume=volume,
        day_high=high,
        day_low=low,
    )


class _Notes:
    """Reads the parts of one snapshot and notes what is there and cannot be understood; a price of 0 is none."""

    def __init__(self, symbol: str, odd: list[UnreadableRow]) -> None:
        self._symbol, self._odd = symbol, odd

    def parts(self, raw: object) -> list[tuple[str, Fields | None]]:
        try:
            whole = Fields("alpaca", "snapshot", raw)
        except MalformedError as error:
            self._note("", error)
            return [("", None)] * len(_PARTS)
        return [(name, self._part(whole, name)) for name in _PARTS]

    def time(self, part: tuple[str, Fields | None], name: str) -> datetime | None:
        where, fields = part
        try:
            return fields.time(name) if fields else None
        except MalformedError as error:
            self._note(where, error)
            return None

    def price(self, part: tuple[str, Fields | None], name: str) -> Decimal | None:
        return to_positive(self.figure(part, name))

    def figure(
        self, part: tuple[str, Fields | None], name: str, largest: Decimal = LARGEST_NUMBER
    ) -> Decimal | None:
        where, fields = part
        try:
            return fields.decimal(name, minimum=ZERO, largest=largest) if fields else None
        except MalformedError as error:
            self._note(where, error)
            return None

    def _part(self, whole: Fields, name: str) -> Fields | None:
        try:
            return None if whole.get(name) is None else Fields("alpaca", name, whole.get(name))
        except MalformedError as error:
            self._note(name, error)
            return None

    def _note(self, where: str, error: MalformedError) -> None:
        field = ".".join(word for word in (where, error.field) if word)
        self._odd.append(UnreadableRow(field, error.value, symbol=self._symbol))


def bar_from_wire(fields: Fields) -> Bar | None:
    """Return one bar, None where a price is 0.

    Raises:
        MalformedError: it has no time, or a figure is none.
    """
    opened_at = fields.time("t")
    prices = [to_positive(fields.decimal(name, minimum=ZERO)) for name in ("o", "h", "l", "c")]
    volume = fields.decimal("v", minimum=ZERO, largest=LARGEST_VOLUME)
    open_, high, low, close = prices
    if open_ is None or high is None or low is None or close is None:
        return None
    return Bar(opened_at=opened_at, open=open_, high=high, low=low, close=close, volume=volume)


def headline_from_wire(fields: Fields, spelt: Mapping[str, str], until: datetime) -> Headline | None:
    """Return one news item, None where it was edited after ``until``.

    Args:
        spelt: the provider's spelling → ours, for the symbols that were asked.

    Raises:
        MalformedError: it has no id, no title or no time, or a time that is none.
    """
    title = _unescaped(fields, "headline")
    if not title:
        raise fields.malformed("headline")
    edited_at = fields.optional_time("updated_at")
    headline = Headline(
        headline_id=fields.identifier("id"),
        source=_unescaped(fields, "source") or "alpaca",
        symbols=tuple(spelt.get(tag, tag) for tag in fields.texts("symbols", longest=LONGEST_SYMBOL)),
        title=title,
        summary=_unescaped(fields, "summary"),
        url=_unescaped(fields, "url"),
        published_at=fields.time("created_at"),
    )
    return None if edited_at is not None and edited_at > until else headline


def _unescaped(fields: Fields, name: str) -> str:
    """Return text with HTML entities decoded, as Alpaca's news has them."""
    return html.unescape(fields.words(name)).strip()
