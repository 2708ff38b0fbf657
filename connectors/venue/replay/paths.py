"""How a price moves within a day: from a daily bar (walked) or from minute bars (as they are).

A path is a line through knots at equal distances, so that the running high and low of any moment are
exactly those of the knots passed and the point reached.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from connectors.venue import seeded
from connectors.venue.world.model import Floats, Ints, Series

DAY_SECONDS = 86_400
MINUTE_STEP = 15
# so long the open and the close of a walked day hold: who asks there meets the data, not what was drawn between
PLATEAU_SECONDS = 60
# a walked day wanders by up to this share of its range around the line between its extremes
_NOISE_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class DayPath:
    """Prices at ``start + i * step`` epoch seconds, running extremes, cumulated volume.

    Volumes are in base units after multiplication by ``volume_unit``; walked days share one profile.
    ``traded_at``: time of the last trade at each knot; None: there is one at every moment. ``first``:
    index of the first knot with a price.
    """

    start: int
    step: int
    prices: Floats
    highs: Floats
    lows: Floats
    volumes: Floats
    volume_unit: float = 1.0
    traded_at: Ints | None = None
    first: int = 0

    @property
    def end(self) -> int:
        """Epoch seconds of the last knot."""
        return self.start + self.step * (len(self.prices) - 1)

    def _locate(self, moment: float) -> tuple[int, float]:
        offset = min(max((moment - self.start) / self.step, 0.0), len(self.prices) - 1.0)
        knot = int(offset)
        return knot, offset - knot

    def price(self, moment: float) -> float | None:
        """Return the price at ``moment``, None before the first trade."""
        knot, rest = self._locate(moment)
        if knot < self.first:
            return None
        price = float(self.prices[knot])
        if rest and self.traded_at is None:
            price += rest * (float(self.prices[knot + 1]) - price)
        return price

    def trade_time(self, moment: float) -> float:
        """Return when the price of ``moment`` was last traded."""
        inside = min(max(moment, float(self.start)), float(self.end))
        if self.traded_at is None:
            return inside
        knot, _ = self._locate(moment)
        return min(float(self.traded_at[knot]), inside)

    def bar(self, moment: float) -> tuple[float, float, float, float, float] | None:
        """Return open, high, low, close and volume of the day up to ``moment``, None before a trade."""
        price = self.price(moment)
        if price is None:
            return None
        knot, rest = self._locate(moment)
        volume = float(self.volumes[knot])
        if rest:
            volume += rest * (float(self.volumes[knot + 1]) - volume)
        high, low = max(float(self.highs[knot]), price), min(float(self.lows[knot]), price)
        return float(self.prices[self.first]), high, low, price, volume * self.volume_unit


def walk_day(
    seed: int, symbol: str, day: int, bar: tuple[float, float, float, float, float], start: int, length: int
) -> DayPath:
    """Walk a daily bar over ``length`` seconds: open, high and low in a seeded order, close.

    The first and the last ``PLATEAU_SECONDS`` show the open and the close.

    Args:
        bar: open, high, low, close, volume.
        start: epoch seconds of the first knot.
    """
    opened, high, low, close, volume = bar
    step = MINUTE_STEP if length < DAY_SECONDS else 60
    knots, plateau = length // step, PLATEAU_SECONDS // step
    walked = knots - 2 * plateau
    chance = seeded.generator(seed, "walk", symbol, day)
    first, second = (high, low) if chance.random() < 0.5 else (low, high)
    turn = plateau + int(walked * chance.uniform(0.1, 0.4))
    turn_back = plateau + int(walked * chance.uniform(0.55, 0.9))
    prices = np.empty(knots + 1)
    prices[:plateau], prices[-plateau:] = opened, close
    legs = (
        (plateau, turn, opened, first),
        (turn, turn_back, first, second),
        (turn_back, knots - plateau, second, close),
    )
    for begin, end, value, target in legs:
        share = np.linspace(0.0, 1.0, end - begin + 1)
        smooth = share * share * (3.0 - 2.0 * share)
        wander = _wander(chance, len(share)) * np.sqrt(share * (1.0 - share)) * 2.0
        prices[begin : end + 1] = value + (target - value) * smooth + wander * (high - low) * _NOISE_SHARE
        prices[begin], prices[end] = value, target
    np.clip(prices, low, high, out=prices)
    highs, lows = np.maximum.accumulate(prices), np.minimum.accumulate(prices)
    return DayPath(start, step, prices, highs, lows, _volume_profile(knots), volume)


@lru_cache(maxsize=4)
def _volume_profile(knots: int) -> Floats:
    """Return the share of the day's volume done at each knot: more at both ends of the day."""
    where = np.linspace(0.0, 1.0, knots + 1)
    return np.asarray(0.6 * where + 0.2 * ((2.0 * where - 1.0) ** 3 + 1.0), dtype=np.float64)


def _wander(chance: np.random.Generator, count: int) -> Floats:
    """Return a bridge in about [-1, 1] that is 0 at both ends."""
    steps = chance.normal(0.0, 1.0, count).cumsum()
    bridge = steps - np.linspace(steps[0], steps[-1], count)
    return np.asarray(np.clip(bridge / (np.sqrt(count) or 1.0), -1.0, 1.0), dtype=np.float64)


def minute_day(seed: int, symbol: str, day: int, series: Series, previous_close: float | None) -> DayPath:
    """Lay a UTC day's bars of minutes or hours on a path; gaps keep the last price and its time.

    The four quarters of a minute show its open, its extremes in a seeded order and its close; a longer bar goes
    from one to the next in straight lines.
    """
    start = day * DAY_SECONDS
    rows = slice(*np.searchsorted(series.at, (start, start + DAY_SECONDS)).tolist())
    length = series.step // 60
    minutes = (series.at[rows] - start) // 60
    rising = seeded.generator(seed, "minute", symbol, day).random(len(minutes)) < 0.5
    quarters = np.full((1440 + length, 4), np.nan)  # a bar may begin late in the day: the rest is cut off
    low_first = np.where(rising, series.low[rows], series.high[rows])
    high_last = np.where(rising, series.high[rows], series.low[rows])
    turns = np.column_stack((series.open[rows], low_first, high_last, series.close[rows]))
    each = minutes[:, np.newaxis] + np.arange(length)
    quarters[each] = _between(turns, 4 * length).reshape(len(turns), length, 4)
    prices = np.append(quarters[:1440].reshape(-1), np.nan)
    index = np.arange(len(prices), dtype=np.int64)
    seen = np.maximum.accumulate(np.where(np.isnan(prices), -1, index))
    first = int(np.argmax(seen >= 0)) if (seen >= 0).any() else len(prices)
    traded_at = start + np.maximum(seen, 0) * MINUTE_STEP
    prices = prices[np.maximum(seen, 0)]
    if previous_close is not None:
        prices[:first], traded_at[:first], first = previous_close, start, 0
    volumes = np.zeros(len(prices))
    per_minute = np.zeros(1440 + length)
    per_minute[each] = series.volume[rows][:, np.newaxis] / length
    volumes[1:] = np.repeat(per_minute[:1440] / 4.0, 4).cumsum()
    filled = np.where(np.isnan(prices), -np.inf, prices)
    lows = np.minimum.accumulate(np.where(np.isnan(prices), np.inf, prices))
    highs = np.maximum.accumulate(filled)
    return DayPath(start, MINUTE_STEP, prices, highs, lows, volumes, 1.0, traded_at, first)


def _between(turns: Floats, count: int) -> Floats:
    """Return ``count`` prices along the straight lines through each row's four turns, which are all among them."""
    where = np.linspace(0.0, 3.0, count)
    left = np.minimum(where.astype(np.int64), 2)
    prices = turns[:, left] + (turns[:, left + 1] - turns[:, left]) * (where - left)
    prices[:, np.round(np.arange(4) * (count - 1) / 3.0).astype(np.int64)] = turns
    return np.asarray(prices, dtype=np.float64)
