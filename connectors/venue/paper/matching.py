"""Which resting order fills when: judged on the prices that the market walked, also where the clock stepped over them.

In one stretch of time the order of events is that of the prices. At the same moment a stop comes before a limit, and an
older order before a younger one: where both exits of a position are met at once, it is the worse that counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from connectors.venue.paper.book import OrderBook
from connectors.venue.paper.lifecycle import Lifecycle
from connectors.venue.paper.orders import Order
from connectors.venue.replay.crossing import Stretch, Touch, stretches
from connectors.venue.replay.market import Market
from connectors.venue.wire import price_decimal
from connectors.venue.world.model import Floats, Instrument


@dataclass(frozen=True, slots=True)
class _Found:
    order: Order
    touch: Touch
    is_stop: bool


class Matching:
    """Looks at the resting orders over a stretch of time.

    Args:
        is_planned: tells of an order id whether something is arranged for it already: it is left alone.
        execute: fills an order whose price was touched.
    """

    def __init__(
        self,
        market: Market,
        book: OrderBook,
        lifecycle: Lifecycle,
        is_planned: Callable[[str], bool],
        execute: Callable[[Order, Touch], None],
    ) -> None:
        self._market = market
        self._book = book
        self._lifecycle = lifecycle
        self._is_planned = is_planned
        self._execute = execute
        self.moved: dict[str, Order] = {}
        self._walked: dict[tuple[str, float, float], list[Stretch]] = {}

    def watch(self, after: float, until: float, *, stocks_trade: bool, only: Order | None = None) -> None:
        """Trigger and fill what the prices from ``after`` to ``until`` reach.

        Args:
            stocks_trade: whether the stretch lies within a stock session.
            only: the one order to look at; None: all.
        """
        known: dict[str, tuple[float, _Found | None]] = {}
        self._walked.clear()
        while True:
            found = [
                one
                for order in self._candidates(stocks_trade)
                if only in (None, order) and (one := self._look(order, after, until, known))
            ]
            if not found:
                return
            order_of = {id(one): number for number, one in enumerate(found)}
            first = min(found, key=lambda one: (one.touch.at, not one.is_stop, order_of[id(one)]))
            known.pop(first.order.order_id, None)
            self._settle(first)

    def _candidates(self, stocks_trade: bool) -> list[Order]:
        return [
            order
            for order in self._book.resting()
            if (stocks_trade or self._lifecycle.instrument(order).is_crypto)
            and not self._is_planned(order.order_id)
        ]

    def _look(
        self, order: Order, after: float, until: float, known: dict[str, tuple[float, _Found | None]]
    ) -> _Found | None:
        """Find an order's first touch; what was found before holds as long as the order begins where it did."""
        begin = max(after, order.active_from)
        if begin > until:
            return None
        before = known.get(order.order_id)
        if before is not None and before[0] == order.active_from:
            return before[1]
        found = self._search(order, begin, until)
        known[order.order_id] = (order.active_from, found)
        return found

    def _search(self, order: Order, begin: float, until: float) -> _Found | None:
        instrument = self._lifecycle.instrument(order)
        is_stop = order.waits_for_stop
        for stretch in self._stretches(instrument, begin, until):
            if is_stop and order.order_type == "trailing_stop":
                touch = self._trail(order, stretch, instrument)
            elif not is_stop and order.limit_price is None:  # reached before, and not filled whole
                touch = Touch(float(stretch.times[0]), float(stretch.prices[0]))
            elif is_stop:
                touch = stretch.first(float(order.stop_price or 0), is_below=order.side == "sell")
            else:
                touch = stretch.first(self._limit_level(order, instrument), is_below=order.side == "buy")
            if touch is not None:
                return _Found(order, touch, is_stop)
        return None

    def _stretches(self, instrument: Instrument, begin: float, until: float) -> list[Stretch]:
        """Return the way of an instrument's price; worked out once for both exits of a position."""
        key = (instrument.symbol, begin, until)
        if key not in self._walked:
            self._walked[key] = list(stretches(self._market, instrument, begin, until))
        return self._walked[key]

    def _limit_level(self, order: Order, instrument: Instrument) -> float:
        """Return the last price at which the side of the quote that the order meets is its limit."""
        spread = self._market.half_spread(instrument)
        return float(order.limit_price or 0) / (1 + (spread if order.side == "buy" else -spread))

    def _trail(self, order: Order, stretch: Stretch, instrument: Instrument) -> Touch | None:
        is_sell = order.side == "sell"
        sign = -1.0 if is_sell else 1.0

        def stop_of(waters: Floats) -> Floats:
            if order.trail_percent is not None:
                return waters * (1 + sign * float(order.trail_percent) / 100)
            return waters + sign * float(order.trail_price or 0)

        before = float(order.high_water if order.high_water is not None else stretch.prices[0])
        touch, water = stretch.first_trailing(before, stop_of, is_sell=is_sell)
        reached = price_decimal(water, is_crypto=instrument.is_crypto)
        if reached != order.high_water:
            order.high_water = reached
            order.stop_price = trailing_stop(order)
            self.moved[order.order_id] = order
        return touch

    def _settle(self, found: _Found) -> None:
        order = found.order
        if not found.is_stop:
            self._execute(order, found.touch)
            return
        self._lifecycle.trigger(order, found.touch.at)
        if order.order_type != "stop_limit":  # a limit now: it is looked for from here on
            self._execute(order, found.touch)


def trailing_stop(order: Order) -> Decimal:
    """Return the stop that a trailing order's high water gives, USD."""
    sign = -1 if order.side == "sell" else 1
    water = order.high_water or Decimal(0)
    if order.trail_percent is not None:
        return price_decimal(float(water * (1 + sign * order.trail_percent / 100)), is_crypto=False)
    return water + sign * (order.trail_price or Decimal(0))
