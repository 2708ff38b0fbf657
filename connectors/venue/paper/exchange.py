"""The paper exchange: takes orders, moves them through their life, books their fills."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from connectors.venue.errors import ApiError, bad_parameter, forbidden, not_found
from connectors.venue.faults import Faults, FaultSpec
from connectors.venue.paper.activities import fee_activity, fill_activity
from connectors.venue.paper.book import OrderBook
from connectors.venue.paper.entry import Entry, check_minimum, read_entry
from connectors.venue.paper.funds import check_buying_power, check_quantity, reserve_price
from connectors.venue.paper.ledger import STARTING_CASH
from connectors.venue.paper.orders import Order, order_json
from connectors.venue.paper.pricing import FillModel, fill_quantity
from connectors.venue.paper.store import Store
from connectors.venue.replay.market import Market
from connectors.venue.wire import number, stamp, stamp_micros
from connectors.venue.world.model import Instrument

log = logging.getLogger("connectors.venue")

CLOCK_SAVE_SECONDS = 0.1

Update = dict[str, object]


@dataclass(slots=True)
class _Plan:
    """What happens to an open order next, and when (monotonic real seconds)."""

    stage: Literal["new", "fill"]
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
        self.on_update: Callable[[Update], None] = lambda update: None
        self._store = store
        self._faults = faults
        self._fills = fills
        self.ledger = store.ledger()
        self.book = OrderBook(store.orders())
        self.last_equity = Decimal(store.fact("last_equity") or STARTING_CASH)
        self._seen = float(store.fact("market_time") or market.clock.now())
        self._saved_at = 0.0
        self._plans: dict[str, _Plan] = {}
        for order in self.book.open_orders():
            self._plan_if_trading(order)

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument of an order symbol."""
        return self.market.world.instruments[symbol]

    def buying_power(self) -> Decimal:
        """Return the USD not reserved by open buy orders, never negative."""
        return max(self.ledger.cash - self.book.reserved(), Decimal(0))

    def market_value(self, moment: float | None = None) -> Decimal:
        """Return the value of all positions in USD at ``moment`` (default now)."""
        total = Decimal(0)
        for symbol, holding in self.ledger.holdings.items():
            price = self.market.price(self.instrument(symbol), moment)
            total += holding.quantity * price if price is not None else holding.cost
        return total

    def submit(self, body: Mapping[str, object]) -> Order:
        """Take an order; it is stored when this returns.

        Raises:
            ApiError: it is refused.
        """
        entry = read_entry(body, self.market.world)
        if self.book.by_client_order_id(entry.client_order_id) is not None:
            raise ApiError(422, 40010001, "client_order_id must be unique")
        price = self._entry_price(entry.instrument)
        check_minimum(entry, price)
        if entry.side == "buy":
            check_buying_power(entry, price, self.buying_power())
        else:
            symbol = entry.instrument.symbol
            check_quantity(entry, price, self.ledger.quantity(symbol), self.book.held(symbol))
        fault = self._fault("reject_order", entry.instrument.symbol)
        if fault is not None and fault.status is not None:
            message = str(fault.body) if fault.body is not None else "order refused"
            raise ApiError(fault.status, 42210000 if fault.status == 422 else 40310000, message)
        order = self._new_order(entry, price)
        with self._store.transaction():
            self._store.save_order(order)
            self._save_clock()
        self.book.add(order)
        self._plan_if_trading(order)
        if fault is not None:
            self._plans[order.order_id] = _Plan("new", self._due(order), is_rejected=True)
        return order

    def cancel(self, order_id: str) -> None:
        """Cancel an open order.

        Raises:
            ApiError: there is none, or it is no longer open.
        """
        order = self.book.orders.get(order_id)
        if order is None:
            raise not_found(f"order not found for {order_id}")
        if not order.is_open:
            raise bad_parameter(f'order is already in "{order.status}" state')
        self._end(order, "canceled")

    def tick(self) -> None:
        """Bring everything up to the clock: session ends, due fills, the end of the data."""
        now = self.market.clock.now()
        if now > self._seen:
            self._pass(now)
        real = time.monotonic()
        for order_id in [key for key, plan in self._plans.items() if plan.due <= real]:
            self._step(self.book.orders[order_id], self._plans.pop(order_id))
        if real - self._saved_at >= CLOCK_SAVE_SECONDS:
            self.save_clock()

    def save_clock(self) -> None:
        """Store market time, to go on from after a restart."""
        self._saved_at = time.monotonic()
        with self._store.transaction():
            self._save_clock()

    def _pass(self, now: float) -> None:
        """Do what is due between the time last seen and ``now``.

        A session's end counts as seen when all of it is stored: killed half-way, it is done again.
        """
        for boundary in self.market.timeline.boundaries(self._seen, now):
            if boundary.is_open:
                self._on_open(boundary.at, now)
            else:
                self._on_close(boundary.at)
            self._seen = boundary.at
            self.save_clock()
        if now >= self.market.timeline.end:
            self._on_end(now)
        self._seen = now

    def _fault(self, kind: str, symbol: str) -> FaultSpec | None:
        return self._faults.hit((kind,), method="POST", path="/v2/orders", symbols=(symbol,))

    def _save_clock(self) -> None:
        self._store.set_fact("market_time", repr(self._seen))
        self._store.set_fact("last_stamp", str(self.market.clock.last_stamp))

    def _entry_price(self, instrument: Instrument) -> Decimal:
        if self.market.clock.has_ended:
            raise forbidden("market is closed for good: the replayed data has ended")
        price = self.market.price(instrument)
        if price is None or not self.market.is_trading(instrument):
            raise bad_parameter(f"asset {instrument.symbol} is not active")
        return price

    def _new_order(self, entry: Entry, price: Decimal) -> Order:
        at = self.market.clock.stamp()
        is_queued = not entry.instrument.is_crypto and not self._is_session()
        return Order(
            order_id=str(uuid.uuid4()),
            client_order_id=entry.client_order_id,
            symbol=entry.instrument.symbol,
            side=entry.side,
            quantity=entry.quantity,
            notional=entry.notional,
            time_in_force=entry.time_in_force,
            status="accepted" if is_queued else "pending_new",
            submitted_at=at,
            updated_at=at,
            reserve_price=reserve_price(entry, price),
            ordinal=self.book.ordinal(entry.instrument.symbol, entry.side, at),
        )

    def _is_session(self) -> bool:
        return self.market.timeline.is_open(self.market.clock.now())

    def _due(self, order: Order) -> float:
        share = 0.4 if order.status in ("pending_new", "accepted") else 0.6
        return time.monotonic() + self._fills.latency_seconds * share

    def _plan_if_trading(self, order: Order) -> None:
        if self.instrument(order.symbol).is_crypto or self._is_session():
            is_fresh = order.status in ("pending_new", "accepted")
            self._plans[order.order_id] = _Plan("new" if is_fresh else "fill", self._due(order))

    def _step(self, order: Order, plan: _Plan) -> None:
        """Do what the plan says and plan what comes after."""
        if plan.is_rejected:
            self._end(order, "rejected")
        elif plan.stage == "new":
            self._acknowledge(order)
            self._plan_fill(order)
        else:
            self._fill(order, plan)

    def _acknowledge(self, order: Order) -> None:
        order.status, order.updated_at = "new", self.market.clock.stamp()
        with self._store.transaction():
            self._store.save_order(order)
            self._save_clock()
        self._tell("new", order)

    def _plan_fill(self, order: Order) -> None:
        delay = self._fault("fill_delay", order.symbol)
        if delay is not None and delay.seconds is None:
            return
        due = self._due(order) + (0.0 if delay is None or delay.seconds is None else delay.seconds)
        partial = self._fault("partial_fill", order.symbol)
        if partial is not None:
            self._plans[order.order_id] = _Plan("fill", due, Decimal(str(partial.fraction)), partial.seconds)
            return
        share = self._fills.first_share(order)
        rest_after = self._fills.latency_seconds if share is not None else None
        self._plans[order.order_id] = _Plan("fill", due, share, rest_after)

    def _fill(self, order: Order, plan: _Plan, moment: float | None = None) -> None:
        """Fill what the plan says at the market's price, or wait for a price."""
        instrument = self.instrument(order.symbol)
        price = self._fills.price(self.market, instrument, order, moment)
        if price is None:
            self._plans[order.order_id] = _Plan(
                "fill", time.monotonic() + 1.0, plan.fraction, plan.rest_after
            )
            return
        others = self.book.held(order.symbol) - order.leaves
        sellable = self.ledger.quantity(order.symbol) - others if order.side == "sell" else None
        quantity, is_last = fill_quantity(order, price, plan.fraction, sellable)
        if order.side == "buy" and quantity * price > self.ledger.cash:
            self._end(order, "canceled" if order.filled_quantity else "rejected")
            return
        self._book(order, instrument, quantity, price, is_last=is_last)
        if not is_last and plan.rest_after is not None:
            self._plans[order.order_id] = _Plan("fill", time.monotonic() + plan.rest_after)

    def _book(
        self, order: Order, instrument: Instrument, quantity: Decimal, price: Decimal, *, is_last: bool
    ) -> None:
        at = self.market.clock.stamp()
        order.filled_quantity += quantity
        order.gross += quantity * price
        order.updated_at = at
        order.status = "filled" if is_last else "partially_filled"
        order.filled_at = at if is_last else None
        booking = self.ledger.book(order.symbol, order.side, quantity, price, is_crypto=instrument.is_crypto)
        execution_id = str(uuid.uuid4())
        with self._store.transaction():
            self._store.save_order(order)
            self._store.save_ledger(self.ledger, order.symbol)
            self._store.add_activity(fill_activity(order, quantity, price, at, execution_id))
            if booking.fee:
                self._store.add_activity(
                    fee_activity(order, instrument, booking.fee, price, self.market.clock.stamp())
                )
            self._save_clock()
        if is_last:
            self.book.settle(order)
        self._tell(
            "fill" if is_last else "partial_fill",
            order,
            price=number(price),
            qty=number(quantity),
            position_qty=number(self.ledger.quantity(order.symbol)),
            execution_id=execution_id,
        )

    def _end(self, order: Order, status: str) -> None:
        order.close(status, self.market.clock.stamp())
        with self._store.transaction():
            self._store.save_order(order)
            self._save_clock()
        self.book.settle(order)
        self._plans.pop(order.order_id, None)
        self._tell(status, order)

    def _on_open(self, at: float, now: float) -> None:
        """Release the orders that waited; where the clock leapt past the session, fill them at its open."""
        for order in self.book.open_orders():
            if self.instrument(order.symbol).is_crypto:
                continue
            if self._is_session() and self.market.timeline.next_close(at) > now:
                self._plan_if_trading(order)
            else:
                if order.status == "accepted":
                    self._acknowledge(order)
                self._fill(order, _Plan("fill", 0.0), at)

    def _on_close(self, at: float) -> None:
        """Expire day orders and remember the day's equity."""
        for order in self.book.open_orders():
            if self.instrument(order.symbol).is_crypto:
                continue
            self._plans.pop(order.order_id, None)
            if order.time_in_force == "day":
                self._end(order, "expired")
        self.last_equity = self.ledger.cash + self.market_value(at)
        with self._store.transaction():
            self._store.set_fact("last_equity", str(self.last_equity))
            self._save_clock()

    def _on_end(self, now: float) -> None:
        log.warning("the replayed data ended at %s: the market is closed for good", stamp(now))
        for order in self.book.open_orders():
            self._end(order, "expired")

    def _tell(self, event: str, order: Order, **details: str) -> None:
        update: Update = {
            "event": event,
            "timestamp": stamp_micros(order.updated_at),
            "order": order_json(order, self.instrument(order.symbol)),
            **details,
        }
        update.setdefault("execution_id", str(uuid.uuid4()))
        self.on_update(update)
