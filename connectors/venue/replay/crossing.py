"""When a price first reaches a level: on the path that the market walked, also where the clock stepped over it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from connectors.venue.replay.market import Market
from connectors.venue.replay.paths import DayPath
from connectors.venue.world.model import Floats, Instrument


@dataclass(frozen=True, slots=True)
class Touch:
    """The moment at which a price was reached (epoch seconds), and the price then, in USD."""

    at: float
    price: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Prices of one day in order of time; between two points they move in a line, or jump at the second."""

    times: Floats
    prices: Floats
    is_line: bool

    def first(self, level: float, *, is_below: bool) -> Touch | None:
        """Return where ``level`` or a price beyond it is first met, None where it never is."""
        hit = self.prices <= level if is_below else self.prices >= level
        return self._touch(hit, lambda _: level)

    def first_trailing(
        self, high_water: float, stop_of: Callable[[Floats], Floats], *, is_sell: bool
    ) -> tuple[Touch | None, float]:
        """Return where the price first falls back to a stop that trails it, and the best price seen until then.

        Args:
            high_water: the best price before the stretch.
            stop_of: gives the stop for a best price, elementwise.
        """
        best = np.maximum if is_sell else np.minimum
        waters = best(best.accumulate(self.prices), high_water)
        before = np.concatenate(([high_water], waters[:-1]))  # a point's own price raises the stop after it
        stops = stop_of(before)
        hit = self.prices <= stops if is_sell else self.prices >= stops
        touch = self._touch(hit, lambda point: float(stops[point]))
        return touch, float(waters[-1] if touch is None else before[int(np.argmax(hit))])

    def _touch(self, hit: np.ndarray, level_at: Callable[[int], float]) -> Touch | None:
        if not hit.any():
            return None
        point = int(np.argmax(hit))
        price = float(self.prices[point])
        if point == 0 or not self.is_line:
            return Touch(float(self.times[point]), price)
        before, level = float(self.prices[point - 1]), level_at(point)
        share = 1.0 if price == before else min(max((level - before) / (price - before), 0.0), 1.0)
        begin, end = float(self.times[point - 1]), float(self.times[point])
        return Touch(begin + share * (end - begin), before + share * (price - before))


def stretches(market: Market, instrument: Instrument, after: float, until: float) -> Iterator[Stretch]:
    """Yield the prices of an instrument from ``after`` to ``until``, both included, a day at a time.

    What lies outside a day's trading is left out: a stock's night, a coin's hours without data.
    """
    for day in range(market.day(instrument, after), market.day(instrument, until) + 1):
        path = market.path(instrument, day)
        if path is None:
            continue
        found = _cut(path, max(after, float(path.start)), min(until, float(path.end)))
        if found is not None:
            yield found


def _cut(path: DayPath, begin: float, end: float) -> Stretch | None:
    if end < begin:
        return None
    low = max(int((begin - path.start) // path.step) + 1, path.first)
    high = -int(-(end - path.start) // path.step)  # the first knot at the end or behind it
    edges = [(at, price) for at in (begin, end) if (price := path.price(at)) is not None]
    if not edges:
        return None
    times, prices = (np.array(column, dtype=np.float64) for column in zip(*edges, strict=True))
    if high > low:  # else there is no knot between them, as between two looks of a clock that runs
        place = len(edges) - 1
        knots = np.arange(low, high, dtype=np.int64)
        times = np.insert(times, place, path.start + knots * float(path.step))
        prices = np.insert(prices, place, path.prices[low:high])
    return Stretch(times, prices, path.traded_at is None)
