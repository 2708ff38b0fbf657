"""How a split or a dividend is booked on the position, the cash, the open orders.

A split in the morning of its ex-day, hours before the open; a dividend at the open.

Orders, as docs.alpaca.markets ("Orders at Alpaca") says and FINRA's rule 5330 has it: good-til-canceled orders of one
part are adjusted. A split divides their prices and multiplies what is left of them; a reverse split cancels them; a
dividend lowers limits to buy and stops to sell. The parts of brackets, OCO and OTO are sent with "do not reduce, do not
cancel": they stay as they are.
"""

from decimal import ROUND_DOWN, Decimal

from connectors.venue.paper.activities import dividend_activity, split_activities
from connectors.venue.paper.book import OrderBook
from connectors.venue.paper.fields import CENT, tick_size
from connectors.venue.paper.ledger import Ledger
from connectors.venue.paper.lifecycle import Lifecycle
from connectors.venue.paper.orders import Order
from connectors.venue.paper.store import Store
from connectors.venue.replay.market import Market
from connectors.venue.replay.timeline import SPLITS_BEFORE_OPEN
from connectors.venue.wire import floor_quantity
from connectors.venue.world.actions import SPLIT
from connectors.venue.world.model import Action

_PRICES = ("limit_price", "stop_price", "trail_price", "high_water")


class CorporateDesk:
    """Books what is due, each action once."""

    def __init__(
        self, market: Market, store: Store, ledger: Ledger, book: OrderBook, lifecycle: Lifecycle
    ) -> None:
        self._market = market
        self._store = store
        self._ledger = ledger
        self._book = book
        self._lifecycle = lifecycle

    def book(self, opening: float, *, before_it: bool = False) -> None:
        """Book the actions whose ex-day is that of the session that opens, or lies since the one before.

        Args:
            before_it: it is the morning of that day: splits alone.
        """
        timeline = self._market.timeline
        day, before = timeline.day_of(opening), timeline.day_before(opening)
        for action in self._market.actions.due(before, day):
            name = f"booked:{action.symbol}:{action.ex_day}:{action.kind}"
            if self._store.fact(name) is None and (action.kind == SPLIT or not before_it):
                self._apply(action, opening, name)

    def _apply(self, action: Action, opening: float, name: str) -> None:
        is_split = action.kind == SPLIT
        changed, ended = self._adjusted(action)
        activities = self._split(action, opening) if is_split else self._pay(action)
        with self._store.transaction():
            for order in changed:
                self._store.save_order(order)
            for activity in activities:
                self._store.add_activity(activity)
            self._store.save_ledger(self._ledger, action.symbol)
            self._store.set_fact(name, "yes")
        for order in ended:
            if order.is_open:
                self._lifecycle.end(order, "canceled")

    def _split(self, action: Action, opening: float) -> list[dict[str, object]]:
        if not self._ledger.quantity(action.symbol):
            return []
        instrument = self._market.world.instruments[action.symbol]
        price = self._market.price(instrument, opening - SPLITS_BEFORE_OPEN - 1) or Decimal(0)
        old, new = self._ledger.split(action.symbol, action.value)
        at = self._market.clock.stamp()
        self._market.clock.stamp()  # the second row's time is taken as well
        return split_activities(action, old, new, price, at) if new else []

    def _pay(self, action: Action) -> list[dict[str, object]]:
        quantity = self._ledger.quantity(action.symbol)
        if not quantity:
            return []
        amount = self._ledger.pay(action.symbol, action.value)
        return [dividend_activity(action, quantity, amount, self._market.clock.stamp())]

    def _adjusted(self, action: Action) -> tuple[list[Order], list[Order]]:
        """Change the orders that are to be; return them, and those that are to end."""
        orders = [
            order
            for order in self._book.open_orders()
            if order.symbol == action.symbol and order.time_in_force == "gtc" and order.group_id is None
        ]
        if action.kind == SPLIT and action.value < 1:
            return [], orders
        for order in orders:
            if action.kind == SPLIT:
                _divide(order, action.value)
            else:
                _lower(order, action.value)
        gone = [o for o in orders if not o.leaves > 0 or any(_is_gone(o, name) for name in _PRICES)]
        return orders, gone


def _divide(order: Order, ratio: Decimal) -> None:
    if order.quantity is not None:
        left = order.leaves
        more = left * ratio
        is_whole = left == left.to_integral_value()
        more = more.to_integral_value(ROUND_DOWN) if is_whole else floor_quantity(more)
        order.quantity = order.filled_quantity + more
    for name in _PRICES:
        price = getattr(order, name)
        if price is not None:
            setattr(order, name, _rounded(price / ratio))
    order.reserve_price = order.reserve_price / ratio


def _lower(order: Order, dividend: Decimal) -> None:
    if order.order_type == "trailing_stop":
        return
    if order.side == "buy" and order.order_type == "limit" and order.limit_price is not None:
        order.limit_price = order.reserve_price = _rounded(order.limit_price - dividend)
    elif order.side == "sell" and order.stop_price is not None:
        order.stop_price = _rounded(order.stop_price - dividend)
        if order.limit_price is not None:
            order.limit_price = _rounded(order.limit_price - dividend)


def _rounded(price: Decimal) -> Decimal:
    return price.quantize(tick_size(price) if price > 0 else CENT, ROUND_DOWN)


def _is_gone(order: Order, name: str) -> bool:
    price = getattr(order, name)
    return price is not None and price <= 0
