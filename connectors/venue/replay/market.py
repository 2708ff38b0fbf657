"""What the market shows at a moment: last prices, daily and intraday bars, never anything later."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal

import numpy as np

from connectors.venue.replay.actions import CorporateActions
from connectors.venue.replay.bars import BarRow
from connectors.venue.replay.clock import ReplayClock
from connectors.venue.replay.paths import DAY_SECONDS, DayPath, minute_day, walk_day
from connectors.venue.replay.timeline import SESSION_SECONDS, SPLITS_BEFORE_OPEN, Timeline
from connectors.venue.wire import NEW_YORK, new_york, price_decimal
from connectors.venue.world.model import Action, Instrument, World, day_date, epoch_day

_CACHED_PATHS = 640
_STOCK_SPREAD, _COIN_SPREAD = 0.0001, 0.0004


@dataclass(frozen=True, slots=True)
class Tick:
    """A last price in USD and the market time of its trade; ``half_spread`` as a share of the price."""

    price: float
    traded_at: float
    half_spread: float


class Market:
    """The world seen through the clock."""

    def __init__(self, world: World, timeline: Timeline, clock: ReplayClock) -> None:
        self.world = world
        self.timeline = timeline
        self.clock = clock
        self.actions = CorporateActions(world.actions, self._close_before)
        self._paths: OrderedDict[tuple[str, int], DayPath | None] = OrderedDict()

    def announce(self, action: Action) -> None:
        """Let a stock split, or go without a dividend, from a day on that has not begun."""
        self.actions.announce(action)
        for key in [one for one in self._paths if one[0] == action.symbol and one[1] >= action.ex_day]:
            del self._paths[key]

    def forget_announced(self) -> None:
        """Go on with the data's own splits and dividends alone."""
        if self.actions.announced:
            self.actions = CorporateActions(self.world.actions, self._close_before)
            self._paths.clear()

    def _close_before(self, symbol: str, day: int) -> float | None:
        series = self.world.daily[symbol]
        row = series.last_before(day)
        if row is None:
            return None
        return float(series.close[row]) * self.actions.level(symbol, int(series.at[row]))

    def day(self, instrument: Instrument, moment: float) -> int:
        """Return the epoch day of ``moment``: New York's for stocks, UTC's for coins."""
        if instrument.is_crypto:
            return int(moment // DAY_SECONDS)
        return epoch_day(new_york(moment).date())

    def tick(self, instrument: Instrument, moment: float | None = None) -> Tick | None:
        """Return the last price at ``moment`` (default now), None before the first trade ever."""
        at = self.clock.now() if moment is None else moment
        today = self.day(instrument, at)
        half_spread = self.half_spread(instrument)
        path = self.path(instrument, today)
        if path is not None and at >= path.start and (price := path.price(at)) is not None:
            return Tick(price, path.trade_time(at), half_spread)
        series = self.world.daily[instrument.symbol]
        row = series.last_before(today)
        if row is None:
            return None
        day = int(series.at[row])
        close = float(series.close[row]) * self.actions.level(instrument.symbol, day)
        return Tick(close, self._closing(instrument, day), half_spread)

    def half_spread(self, instrument: Instrument) -> float:
        """Return half of the distance between bid and ask, as a share of the price."""
        return _COIN_SPREAD if instrument.is_crypto else _STOCK_SPREAD

    def price(self, instrument: Instrument, moment: float | None = None) -> Decimal | None:
        """Return the last price in quoted digits, None before the first trade ever.

        In the morning of a split it is what a new share was worth at the last close: the position is of those already.
        """
        tick = self.tick(instrument, moment)
        if tick is None:
            return None
        value = tick.price / float(self._split_since(instrument, tick, moment))
        return price_decimal(value, is_crypto=instrument.is_crypto)

    def _split_since(self, instrument: Instrument, tick: Tick, moment: float | None) -> Decimal:
        at = self.clock.now() if moment is None else moment
        traded, today = self.day(instrument, tick.traded_at), self.day(instrument, at)
        opening = self._opening(today)
        if instrument.is_crypto or traded == today or opening is None or at < opening - SPLITS_BEFORE_OPEN:
            return Decimal(1)
        return self.actions.split_between(instrument.symbol, traded, today)

    def is_trading(self, instrument: Instrument) -> bool:
        """Tell whether the instrument is listed at this moment of the replay and has not left it."""
        series = self.world.daily[instrument.symbol]
        today = self.day(instrument, self.clock.now())
        return int(series.at[0]) <= today <= int(series.at[-1])

    def previous_close(self, instrument: Instrument) -> float | None:
        """Return the close of the last daily bar before today's, as today's shares count."""
        now = self.clock.now()
        row = self.previous_bar(instrument, now)
        return None if row is None else self.told(instrument, row, now, "split").close

    def told(self, instrument: Instrument, row: BarRow, moment: float, adjustment: str) -> BarRow:
        """Return a bar as it is told at ``moment``, adjusted for what has happened since."""
        day = self.day(instrument, row.at)
        today = self.day(instrument, moment)
        return self.actions.adjusted(instrument.symbol, row, day, today, adjustment)

    def day_bar(self, instrument: Instrument, at: float) -> BarRow | None:
        """Return today's bar as far as it has come at ``at``."""
        today = self.day(instrument, at)
        path = self.path(instrument, today)
        if path is None or at < path.start:
            return None
        values = path.bar(at)
        return None if values is None else BarRow(self._label(instrument, today), *values)

    def daily_bars(self, instrument: Instrument, start: float, end: float) -> list[BarRow]:
        """Return daily bars whose start lies in ``[start, end]``: whole past days, and today's so far."""
        now = self.clock.now()
        today = self.day(instrument, now)
        series = self.world.daily[instrument.symbol]
        first = int(np.searchsorted(series.at, self.day(instrument, start)))
        past = int(np.searchsorted(series.at, today))
        rows = [self._row(instrument, row) for row in range(first, past)]
        current = self.day_bar(instrument, now)
        if current is not None:
            rows.append(current)
        return [row for row in rows if start <= row.at <= end]

    def previous_bar(self, instrument: Instrument, at: float) -> BarRow | None:
        """Return the last whole daily bar before the day of ``at``."""
        row = self.world.daily[instrument.symbol].last_before(self.day(instrument, at))
        return None if row is None else self._row(instrument, row)

    def intraday_bars(
        self, instrument: Instrument, start: float, end: float, minutes: int, *, is_newest_first: bool
    ) -> Iterator[BarRow]:
        """Yield complete bars of ``minutes`` that start in ``[start, end]``, a day at a time."""
        now = self.clock.now()
        until = min(end, now)
        first = max(self.day(instrument, start), int(self.world.daily[instrument.symbol].at[0]))
        days = range(first, self.day(instrument, until) + 1)
        for day in reversed(days) if is_newest_first else days:
            path = self.path(instrument, day)
            if path is not None:
                rows = [row for row in _cut(path, minutes * 60, now) if start <= row.at <= until]
                yield from reversed(rows) if is_newest_first else rows

    def last_minute(self, instrument: Instrument, at: float) -> BarRow | None:
        """Return the last complete minute bar of the day."""
        path = self.path(instrument, self.day(instrument, at))
        if path is None or at < path.start + 60:
            return None
        begin = int(min(at, path.end) // 60 * 60) - 60
        rows = [row for row in _cut(path, 60, at, since=max(begin, path.start)) if row.at <= begin]
        return rows[-1] if rows else None

    def _row(self, instrument: Instrument, row: int) -> BarRow:
        series = self.world.daily[instrument.symbol]
        columns = (series.open, series.high, series.low, series.close)
        day = int(series.at[row])
        level = self.actions.level(instrument.symbol, day)
        opened, high, low, close = (float(column[row]) * level for column in columns)
        return BarRow(self._label(instrument, day), opened, high, low, close, float(series.volume[row]))

    def _label(self, instrument: Instrument, day: int) -> int:
        if instrument.is_crypto:
            return day * DAY_SECONDS
        return int(datetime.combine(day_date(day), time(), NEW_YORK).timestamp())

    def _closing(self, instrument: Instrument, day: int) -> float:
        if instrument.is_crypto:
            return float((day + 1) * DAY_SECONDS - 1)
        opening = self._opening(day)
        return float((opening if opening is not None else day * DAY_SECONDS) + SESSION_SECONDS)

    def _opening(self, day: int) -> int | None:
        opens = self.timeline.opens
        row = bisect_right(opens, (day + 1) * DAY_SECONDS) - 1
        return opens[row] if row >= 0 and opens[row] >= day * DAY_SECONDS else None

    def path(self, instrument: Instrument, day: int) -> DayPath | None:
        """Return how the price moves on an epoch day, None where it does not trade."""
        key = (instrument.symbol, day)
        if key in self._paths:
            self._paths.move_to_end(key)
            return self._paths[key]
        path = self._build_path(instrument, day)
        self._paths[key] = path
        if len(self._paths) > _CACHED_PATHS:
            self._paths.popitem(last=False)
        return path

    def _build_path(self, instrument: Instrument, day: int) -> DayPath | None:
        symbol, seed = instrument.symbol, self.world.seed
        series = self.world.daily[symbol]
        minutes = self.world.minute.get(symbol)
        if minutes is not None:
            bounds = np.searchsorted(minutes.at, (day * DAY_SECONDS, (day + 1) * DAY_SECONDS))
            if bounds[1] > bounds[0]:
                before = int(bounds[0]) - 1
                earlier = series.last_before(day)
                daily_close = None if earlier is None else float(series.close[earlier])
                previous = float(minutes.close[before]) if before >= 0 else daily_close
                return minute_day(seed, symbol, day, minutes, previous)
        row = series.position(day)
        opening = day * DAY_SECONDS if instrument.is_crypto else self._opening(day)
        if row is None or opening is None:
            return None
        columns = (series.open, series.high, series.low, series.close)
        level = self.actions.level(symbol, day)
        opened, high, low, close = (float(column[row]) * level for column in columns)
        volume = float(series.volume[row])
        length = DAY_SECONDS if instrument.is_crypto else SESSION_SECONDS
        return walk_day(seed, symbol, day, (opened, high, low, close, volume), opening, length)


def _cut(path: DayPath, seconds: int, until: float, since: int | None = None) -> list[BarRow]:
    """Cut a path into bars of ``seconds`` complete at ``until``; a bar without a trade is left out."""
    per_bar = max(1, seconds // path.step)
    begin = path.start if since is None else since
    rows: list[BarRow] = []
    for at in range(begin, path.end, seconds):
        if min(at + seconds, path.end) > until:
            break
        low = (at - path.start) // path.step
        # a walked path runs on into the next bar's first knot; minute bars end with their own last quarter
        high = min(low + per_bar + (path.traded_at is None), len(path.prices))
        if high - 1 < path.first or (path.traded_at is not None and path.traded_at[high - 1] < at):
            continue
        prices = path.prices[max(low, path.first) : high]
        top = min(low + per_bar, len(path.volumes) - 1)
        volume = (float(path.volumes[top]) - float(path.volumes[low])) * path.volume_unit
        extremes = float(prices.max()), float(prices.min())
        rows.append(BarRow(at, float(prices[0]), *extremes, float(prices[-1]), volume))
    return rows
