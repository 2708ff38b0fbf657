"""What happens to an order and to those it belongs with: acknowledged, filled, ended, replaced.

Every change is stored, all that belongs together in one piece, before anybody hears of it.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from connectors.venue.paper.activities import fee_activity, fill_activity
from connectors.venue.paper.book import OrderBook
from connectors.venue.paper.ledger import Ledger
from connectors.venue.paper.orders import ENTRY, TAKE_PROFIT, Order, order_json
from connectors.venue.paper.store import Store
from connectors.venue.replay.market import Market
from connectors.venue.wire import number, stamp_micros
from connectors.venue.world.model import Instrument

Update = dict[str, object]


@dataclass(slots=True)
class _Told:
    """What the stream says of one order; ``event`` empty: nothing."""

    order: Order
    event: str
    details: dict[str, str] = field(default_factory=dict)


class Lifecycle:
    """The changes of orders, positions and money.

    Args:
        save_clock: stores market time, inside a transaction.
    """

    def __init__(
        self, market: Market, store: Store, ledger: Ledger, book: OrderBook, save_clock: Callable[[], None]
    ) -> None:
        self.on_update: Callable[[Update], None] = lambda update: None
        self._market = market
        self._store = store
        self._ledger = ledger
        self._book = book
        self._save_clock = save_clock

    def instrument(self, order: Order) -> Instrument:
        """Return what the order is about."""
        return self._market.world.instruments[order.symbol]

    def take(self, orders: Sequence[Order]) -> None:
        """Store new orders and put them into the book."""
        with self._store.transaction():
            for order in orders:
                self._store.save_order(order)
            self._save_clock()
        for order in orders:
            self._book.add(order)

    def acknowledge(self, order: Order, moment: float | None = None) -> None:
        """Let an order work: a limit or a stop is looked for on the prices from ``moment`` (default now) on."""
        order.status, order.updated_at = "new", self._market.clock.stamp()
        now = self._market.clock.now() if moment is None else moment
        order.is_live, order.active_from = order.order_type != "market", now
        told = [_Told(order, "new")]
        if (
            order.role == TAKE_PROFIT and order.order_id == order.group_id
        ):  # an OCO's: its stop is looked for too
            for sibling in self._book.siblings(order):
                sibling.is_live, sibling.active_from = True, now
                told.append(_Told(sibling, ""))
        self._keep(told)

    def trigger(self, order: Order, moment: float) -> None:
        """Note that an order's stop was reached: the take-profit beside it is canceled, its own hold ends."""
        order.is_triggered, order.updated_at, order.active_from = True, self._market.clock.stamp(), moment
        told = [_Told(order, "")]
        if order.status == "held":
            order.status = "new"
            told = [_Told(order, "new")]
        for sibling in self._book.siblings(order):
            sibling.close("canceled", self._market.clock.stamp())
            told.insert(0, _Told(sibling, "canceled"))
        self._keep(told)

    def fill(self, order: Order, quantity: Decimal, price: Decimal, *, is_last: bool, moment: float) -> None:
        """Book one execution of gross ``quantity`` at ``price`` USD, and what follows for its group."""
        instrument = self.instrument(order)
        at = self._market.clock.stamp()
        order.filled_quantity += quantity
        order.gross += quantity * price
        order.updated_at = at
        order.status = "filled" if is_last else order.status
        if not is_last and order.status != "pending_replace":
            order.status = "partially_filled"
        order.filled_at = at if is_last else None
        booking = self._ledger.book(order.symbol, order.side, quantity, price, is_crypto=instrument.is_crypto)
        execution_id = str(uuid.uuid4())
        activities = [fill_activity(order, quantity, price, at, execution_id)]
        if booking.fee:
            fee_at = self._market.clock.stamp()
            activities.append(fee_activity(order, instrument, booking.fee, price, fee_at))
        details = {
            "price": number(price),
            "qty": number(quantity),
            "position_qty": number(self._ledger.quantity(order.symbol)),
            "execution_id": execution_id,
        }
        told = [_Told(order, "fill" if is_last else "partial_fill", details)]
        told += self._after_fill(order, is_last=is_last, moment=moment)
        self._keep(told, activities, order.symbol)

    def end(self, order: Order, status: str) -> None:
        """End an order, and with it what else is open of its group."""
        told = [self._closed(order, status)]
        with_it = "expired" if status == "expired" else "canceled"
        told += [self._closed(one, with_it) for one in self._book.siblings(order)]
        successors = [o for o in self._book.open_orders() if o.replaces == order.order_id and o.is_open]
        told += [self._closed(one, with_it) for one in successors]
        self._keep(told)

    def begin_replacing(self, old: Order, new: Order) -> None:
        """Note that ``new`` is about to take an order's place; a held one's at once."""
        if old.status == "held":
            self._put_in_place(old, new, "held", is_live=old.is_live)
            return
        old.status, old.updated_at = "pending_replace", self._market.clock.stamp()
        self._keep([_Told(old, "pending_replace")], added=[new])

    def replace(self, old: Order, new: Order) -> None:
        """Let ``new`` work in an order's place, or refuse it where that one has ended meanwhile."""
        if new.quantity is not None:
            new.quantity -= old.filled_quantity - new.filled_before
        if not old.is_open or (new.quantity is not None and new.quantity <= 0):
            self._keep([self._closed(new, "rejected"), _Told(old, "order_replace_rejected")])
            return
        self._put_in_place(old, new, "new", is_live=new.order_type != "market")

    def _put_in_place(self, old: Order, new: Order, status: str, *, is_live: bool) -> None:
        old.replaced_by = new.order_id
        told = [self._closed(old, "replaced")]
        new.status, new.updated_at = status, self._market.clock.stamp()
        new.is_live, new.active_from = is_live, self._market.clock.now()
        told.append(_Told(new, "new" if status == "new" else ""))
        self._keep(told, added=[] if new.order_id in self._book.orders else [new])

    def _after_fill(self, order: Order, *, is_last: bool, moment: float) -> list[_Told]:
        if order.role == ENTRY and is_last:
            return self._activated(order, moment)
        if order.role == TAKE_PROFIT:
            stop = self._book.stop_loss_of(order)
            if stop is not None and is_last:
                return [self._closed(stop, "canceled")]
            if stop is not None:  # what the one has sold the other need not sell
                stop.quantity, stop.updated_at = order.leaves, self._market.clock.stamp()
                return [_Told(stop, "")]
        return []

    def _activated(self, entry: Order, moment: float) -> list[_Told]:
        """Let the exits work: of two the stop-loss stays held, for both stand for the same quantity."""
        legs = [leg for leg in self._book.legs(entry) if leg.is_open]
        told = []
        for leg in legs:
            leg.is_live, leg.active_from = True, moment
            if len(legs) == 1 or leg.role == TAKE_PROFIT:
                leg.status, leg.updated_at = "new", self._market.clock.stamp()
                told.append(_Told(leg, "new"))
            else:
                told.append(_Told(leg, ""))
        return told

    def _closed(self, order: Order, status: str) -> _Told:
        order.close(status, self._market.clock.stamp())
        return _Told(order, status)

    def _keep(
        self,
        told: Sequence[_Told],
        activities: Sequence[dict[str, object]] = (),
        symbol: str | None = None,
        added: Sequence[Order] = (),
    ) -> None:
        """Store in one piece, let go of what ended, then say it."""
        with self._store.transaction():
            for order in [*(one.order for one in told), *added]:
                self._store.save_order(order)
            if symbol is not None:
                self._store.save_ledger(self._ledger, symbol)
            for activity in activities:
                self._store.add_activity(activity)
            self._save_clock()
        for order in added:
            self._book.add(order)
        for one in told:
            if not one.order.is_open:
                self._book.settle(one.order)
        for one in told:
            if one.event:
                self._tell(one)

    def _tell(self, told: _Told) -> None:
        order = told.order
        update: Update = {
            "event": told.event,
            "timestamp": stamp_micros(order.updated_at),
            "order": order_json(order, self.instrument(order)),
            **told.details,
        }
        update.setdefault("execution_id", str(uuid.uuid4()))
        self.on_update(update)
