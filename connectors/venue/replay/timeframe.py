"""The bar lengths the venue serves: minutes, hours and one day."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.venue.errors import ApiError
from connectors.venue.replay.bars import BarRow
from connectors.venue.replay.market import Market
from connectors.venue.world.model import Instrument

_PATTERN = re.compile(r"^(\d{1,2})(Min|T|Hour|H|Day|D)$")


@dataclass(frozen=True, slots=True)
class Timeframe:
    """A bar length; ``minutes`` is 0 for one day."""

    minutes: int

    def rows(
        self, market: Market, instrument: Instrument, start: float, end: float, *, is_newest_first: bool
    ) -> Iterator[BarRow]:
        """Yield the bars that start in ``[start, end]``, oldest first unless asked otherwise."""
        if self.minutes:
            yield from market.intraday_bars(
                instrument, start, end, self.minutes, is_newest_first=is_newest_first
            )
            return
        rows = market.daily_bars(instrument, start, end)
        yield from reversed(rows) if is_newest_first else rows


def read_timeframe(text: str) -> Timeframe:
    """Read ``1Day``, ``15Min``, ``1Hour`` and their short forms.

    Raises:
        ApiError: 400, for any other.
    """
    match = _PATTERN.match(text)
    count = int(match[1]) if match else 0
    unit = match[2] if match else ""
    if unit in ("Min", "T") and 1 <= count <= 59:
        return Timeframe(count)
    if unit in ("Hour", "H") and 1 <= count <= 23:
        return Timeframe(count * 60)
    if unit in ("Day", "D") and count == 1:
        return Timeframe(0)
    raise ApiError(400, 40010001, f"invalid timeframe: {text or 'missing'}")
