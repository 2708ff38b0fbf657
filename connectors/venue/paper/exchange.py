"""The paper exchange: takes orders, moves them through their life with the clock, and says what became of them."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from connectors.venue.errors import ApiError, bad_parameter, not_found
from connectors.venue.faults import Faults, FaultSpec
from connectors.venue.paper.admission import Admission
from connectors.venue.paper.book import OrderBook
from connectors.venue.paper.corporate import CorporateDesk
from connectors.venue.paper.ledger import STARTING_CASH
from connectors.venue.paper.lifecycle import Lifecycle, Update
from connectors.venue.paper.matching import Matching
from connectors.venue.paper.orders import UNCONFIRMED_STATUSES, Order
from connectors.venue.paper.pricing import FillModel, fill_quantity
from connectors.venue.paper.store import Store
from connectors.venue.replay.crossing import Touch
from connectors.venue.replay.market import Market
from connectors.venue.replay.timeline import SPLITS_BEFORE_OPEN
from connectors.venue.wire import stamp
from connectors.venue.world.model import Action, Instrument

log = logging.getLogger("connectors.venue")

CLOCK_SAVE_SECONDS = 0.1
_LOOK_SECONDS = 0.05  # of a running clock: a price that was reached is met so much later at most


@dataclass(slots=True)
class _Plan:
    """What happens to an open order next, and when (monotonic real seconds)."""

    stage: Literal["new", "fill", "replace"]
    due: float
    fraction: Decimal | None = None
    rest_after: float | None = None
    is_rejected: bool = False


class Exchange:
    """One account's orders, positions and money. Every change is stored before anybody hears of it.

    Args:
        on_update: called with each message of the trade_updates stream.
    """

    def __init__(self, market: Market, store: Store, faults: Faults, fills: FillModel) -> None:
        self.market = market
        self._store = store
        self._faults = faults
        self._fills = fills
        self.ledger = store.ledger()
        self.book = OrderBook(store.orders())
        self.last_equity = Decimal(store.fact("last_equity") or STARTING_CASH)
        self._seen = float(store.fact("market_time") or market.clock.now())
        self._saved_at = 0.0
        self._plans: dict[str, _Plan] = {}
        self._lifecycle = Lifecycle(market, store, self.ledger, self.book, self._save_clock)
        self._matching = Matching(market, self.book, self._lifecycle, self._plans.__contains__, self._touched)
        self._admission = Admission(market, self.book, self.ledger)
        self._corporate = CorporateDesk(market, store, self.ledger, self.book, self._lifecycle)
        for order in self.book.open_orders():
            self._plan_if_trading(order)

    def begun_anew(self) -> "Exchange":
        """Return an exchange on what is stored now, which those who listen hear in this one's place."""
        anew = Exchange(self.market, self._store, self._faults, self._fills)
        anew.on_update = self.on_update
        return anew

    @property
    def on_update(self) -> Callable[[Update], None]:
        """Return what is called with each message of the trade_updates stream."""
        return self._lifecycle.on_update

    @on_update.setter
    def on_update(self, listener: Callable[[Update], None]) -> None:
        self._lifecycle.on_update = listener

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument of an order symbol."""
        return self.market.world.instruments[symbol]

    def buying_power(self) -> Decimal:
        """Return the USD not reserved by open buy orders, never negative."""
        return self._admission.buying_power()

    def market_value(self, moment: float | None = None) -> Decimal:
        """Return the value of all positions in USD at ``moment`` (default now)."""
        total = Decimal(0)
        for symbol, holding in self.ledger.holdings.items():
            price = self.market.price(self.instrument(symbol), moment)
            total += holding.quantity * price if price is not None else holding.cost
        return total

    def submit(self, body: Mapping[str, object]) -> Order:
        """Take an order, with the exits that belong to it; all are stored when this returns.

        Raises:
            ApiError: it is refused.
        """
        entry, price = self._admission.read(body)
        fault = self._fault("reject_order", entry.instrument.symbol)
        if fault is not None and fault.status is not None:
            message = str(fault.body) if fault.body is not None else "order refused"
            raise ApiError(fault.status, 42210000 if fault.status == 422 else 40310000, message)
        is_queued = not entry.instrument.is_crypto and not self._is_session()
        orders = self._admission.make(entry, price, is_queued=is_queued)
        self._lifecycle.take(orders)
        order = orders[0]
        self._plan_if_trading(order)
        if fault is not None:
            self._plans[order.order_id] = _Plan("new", self._due(order), is_rejected=True)
        return order

    def replace(self, order_id: str, body: Mapping[str, object]) -> Order:
        """Begin to replace an open order; return the one that is to take its place.

        Raises:
            ApiError: there is none, it may not be replaced, or not by this.
        """
        old = self._known(order_id)
        new = self._admission.replacement(old, body)
        self._lifecycle.begin_replacing(old, new)
        if new.is_replacement_under_way:
            self._plans[new.order_id] = _Plan("replace", self._due(new))
        return new

    def cancel(self, order_id: str) -> None:
        """Cancel an open order, and with it what else is open of its group.

        Raises:
            ApiError: there is none, or it is no longer open.
        """
        order = self._known(order_id)
        if not order.is_open:
            raise bad_parameter(f'order is already in "{order.status}" state')
        self._lifecycle.end(order, "canceled")

    def tick(self) -> None:
        """Bring everything up to the clock: session ends, due fills, prices that were reached, the end of the data."""
        now = self.market.clock.now()
        if now > self._seen:
            self._pass(now)
        else:
            self._watch(self._seen)
        real = time.monotonic()
        for order_id in [key for key, plan in self._plans.items() if plan.due <= real]:
            self._step(self.book.orders[order_id], self._plans.pop(order_id))
        if real - self._saved_at >= CLOCK_SAVE_SECONDS:
            self.save_clock()

    @property
    def is_at_rest(self) -> bool:
        """Tell whether no order is open, and market time moves no faster than real time: a tick may be a bit late."""
        return not (self._plans or self.book.has_open) and self.market.clock.rate <= 1.0

    def announce(self, symbol: str, kind: str, value: Decimal) -> Action:
        """Let a stock split, or pay a dividend, from the next session on."""
        opening = self.market.timeline.next_open(self.market.clock.now())
        action = Action(symbol, self.market.timeline.day_of(opening), kind, value)
        with self._store.transaction():
            self._store.announce(action)
        self.market.announce(action)
        return action

    def save_clock(self) -> None:
        """Store market time, to go on from after a restart, and what trailing stops have seen until then."""
        self._saved_at = time.monotonic()
        with self._store.transaction():
            for order in self._matching.moved.values():
                self._store.save_order(order)
            self._save_clock()
        self._matching.moved.clear()

    def _known(self, order_id: str) -> Order:
        order = self.book.orders.get(order_id)
        if order is None:
            raise not_found(f"order not found for {order_id}")
        return order

    def _pass(self, now: float) -> None:
        """Do what is due between the time last seen and ``now``.

        A session's end counts as seen when all of it is stored: killed half-way, it is done again.
        """
        for boundary in self.market.timeline.boundaries(self._seen, now):
            self._watch(boundary.at)
            if boundary.is_open:
                self._corporate.book(boundary.at)
                self._on_open(boundary.at, now)
            else:
                self._on_close(boundary.at)
            self._seen = boundary.at
            self.save_clock()
        if now - self._seen < _LOOK_SECONDS * self.market.clock.rate:
            return  # each request is a tick: hundreds of resting orders are not looked at for each
        self._watch(now)
        opening = self.market.timeline.next_open(now)
        if now >= opening - SPLITS_BEFORE_OPEN:
            self._corporate.book(opening, before_it=True)
        if now >= self.market.timeline.end:
            self._on_end(now)
        self._seen = now

    def _watch(self, until: float) -> None:
        """Look at the resting orders from the time last seen on; the whole stretch is of one session, or of none."""
        is_session = self.market.timeline.is_open(self._seen)
        self._matching.watch(self._seen, until, stocks_trade=is_session)

    def _fault(self, kind: str, symbol: str) -> FaultSpec | None:
        return self._faults.hit((kind,), method="POST", path="/v2/orders", symbols=(symbol,))

    def _save_clock(self) -> None:
        self._store.set_fact("market_time", repr(self._seen))
        self._store.set_fact("last_stamp", str(self.market.clock.last_stamp))

    def _is_session(self) -> bool:
        return self.market.timeline.is_open(self.market.clock.now())

    def _due(self, order: Order) -> float:
        share = 0.4 if order.status in UNCONFIRMED_STATUSES else 0.6
        return time.monotonic() + self._fills.latency_seconds * share

    def _plan_if_trading(self, order: Order) -> None:
        """Arrange an order's next step; one that waits for a price, or for its group, has none."""
        if order.is_replacement_under_way:
            self._plans[order.order_id] = _Plan("replace", self._due(order))
        elif order.status == "held" or order.is_resting:
            return
        elif self.instrument(order.symbol).is_crypto or self._is_session():
            is_fresh = order.status in UNCONFIRMED_STATUSES
            self._plans[order.order_id] = _Plan("new" if is_fresh else "fill", self._due(order))

    def _step(self, order: Order, plan: _Plan) -> None:
        """Do what the plan says and plan what comes after."""
        if not order.is_open:
            return
        if plan.is_rejected:
            self._lifecycle.end(order, "rejected")
        elif plan.stage == "replace":
            self._lifecycle.replace(self.book.orders[str(order.replaces)], order)
        elif plan.stage == "new":
            self._lifecycle.acknowledge(order)
            if order.order_type == "market":
                self._plan_fill(order)
            elif order.time_in_force == "ioc":
                self._at_once_or_cancel(order, self.market.clock.now())
        else:
            self._fill(order, plan)

    def _at_once_or_cancel(self, order: Order, moment: float) -> None:
        is_session = self.market.timeline.is_open(moment)
        self._matching.watch(moment, moment, stocks_trade=is_session, only=order)
        if order.is_open:
            self._plans.pop(order.order_id, None)
            self._lifecycle.end(order, "canceled")

    def _plan_fill(self, order: Order) -> None:
        arranged = self._arranged(order, self._due(order))
        if arranged is not None:
            self._plans[order.order_id] = arranged

    def _arranged(self, order: Order, due: float) -> _Plan | None:
        """Return how an order will fill that can: by the faults and the chance; None: never."""
        delay = self._fault("fill_delay", order.symbol)
        if delay is not None and delay.seconds is None:
            return None
        due += 0.0 if delay is None or delay.seconds is None else delay.seconds
        partial = self._fault("partial_fill", order.symbol)
        if partial is not None:
            return _Plan("fill", due, Decimal(str(partial.fraction)), partial.seconds)
        share = self._fills.first_share(order)
        return _Plan("fill", due, share, self._fills.latency_seconds if share is not None else None)

    def _touched(self, order: Order, touch: Touch) -> None:
        """Fill an order whose price was reached, at that price and moment, unless a fault delays it."""
        now = time.monotonic()
        plan = self._arranged(order, now)
        if plan is None or plan.due > now:
            self._plans[order.order_id] = plan or _Plan("fill", math.inf)
            return
        instrument = self.instrument(order.symbol)
        spread = self.market.half_spread(instrument)
        price = self._fills.price_at_touch(touch.price, spread, order, instrument)
        self._execute(order, plan, price, touch.at)

    def _fill(self, order: Order, plan: _Plan, moment: float | None = None) -> None:
        """Fill what the plan says at the market's price, or wait for a price."""
        price = self._fills.price(self.market, self.instrument(order.symbol), order, moment)
        if price is not None:
            at = self.market.clock.now() if moment is None else moment
            self._execute(order, plan, price, at)
        elif (
            order.is_resting and order.limit_price is not None
        ):  # the price went away: it is looked for again
            order.active_from = self.market.clock.now()
        else:
            again = time.monotonic() + 1.0
            self._plans[order.order_id] = _Plan("fill", again, plan.fraction, plan.rest_after)

    def _execute(self, order: Order, plan: _Plan, price: Decimal, moment: float) -> None:
        """Book what fills now at ``price``, and arrange the rest."""
        others = self.book.held(order.symbol, except_for=order.order_id)
        sellable = self.ledger.quantity(order.symbol) - others if order.side == "sell" else None
        quantity, is_last = fill_quantity(order, price, plan.fraction, sellable)
        if order.side == "buy" and quantity * price > self.ledger.cash:
            self._lifecycle.end(order, "canceled" if order.filled_quantity else "rejected")
            return
        if sellable is not None and quantity > sellable:  # a split took of what an exit stands for
            if sellable > 0:
                self._lifecycle.fill(order, sellable, price, is_last=False, moment=moment)
            self._lifecycle.end(order, "canceled")
            return
        self._lifecycle.fill(order, quantity, price, is_last=is_last, moment=moment)
        if is_last:
            return
        due = math.inf if plan.rest_after is None else time.monotonic() + plan.rest_after
        if plan.rest_after is not None or order.is_resting:
            self._plans[order.order_id] = _Plan("fill", due)

    def _on_open(self, at: float, now: float) -> None:
        """Release the orders that waited; where the clock leapt past the session, fill them at its open."""
        for order in self.book.open_orders():
            if self.instrument(order.symbol).is_crypto or order.is_replacement_under_way:
                continue
            if self._is_session() and self.market.timeline.next_close(at) > now:
                self._plan_if_trading(order)
            elif order.status != "held" and not order.is_resting:
                if order.status == "accepted" or order.order_type != "market":
                    self._lifecycle.acknowledge(order, at)
                if order.order_type == "market":
                    self._fill(order, _Plan("fill", 0.0), at)
                elif order.time_in_force == "ioc":
                    self._at_once_or_cancel(order, at)

    def _on_close(self, at: float) -> None:
        """Expire day orders and remember the day's equity."""
        for order in self.book.open_orders():
            if self.instrument(order.symbol).is_crypto or not order.is_open:
                continue
            if order.order_type == "market":
                self._plans.pop(order.order_id, None)
            if order.time_in_force == "day":
                self._lifecycle.end(order, "expired")
        self.last_equity = self.ledger.cash + self.market_value(at)
        with self._store.transaction():
            self._store.set_fact("last_equity", str(self.last_equity))
            self._save_clock()

    def _on_end(self, now: float) -> None:
        log.warning("the replayed data ended at %s: the market is closed for good", stamp(now))
        for order in self.book.open_orders():
            if order.is_open:
                self._lifecycle.end(order, "expired")
