"""Which orders the account may place, replace, and what they hold: the rules beyond those of the wire."""

from collections.abc import Mapping
from decimal import Decimal

from connectors.venue.errors import ApiError, bad_parameter, forbidden
from connectors.venue.paper.book import OrderBook
from connectors.venue.paper.classes import check_levels, check_stop
from connectors.venue.paper.entry import Entry, check_minimum, read_entry
from connectors.venue.paper.funds import (
    check_available,
    check_buying_power,
    check_cost,
    check_quantity,
)
from connectors.venue.paper.ledger import Ledger
from connectors.venue.paper.making import make_orders
from connectors.venue.paper.orders import Order
from connectors.venue.paper.replacing import check_replacement, make_replacement, read_change
from connectors.venue.paper.wash import check_wash_trade
from connectors.venue.replay.market import Market
from connectors.venue.world.model import Instrument


class Admission:
    """Judges requests against the market, the book and the money."""

    def __init__(self, market: Market, book: OrderBook, ledger: Ledger) -> None:
        self._market = market
        self._book = book
        self._ledger = ledger

    def buying_power(self) -> Decimal:
        """Return the USD not reserved by open buy orders, never negative."""
        return max(self._ledger.cash - self._book.reserved(), Decimal(0))

    def read(self, body: Mapping[str, object]) -> tuple[Entry, Decimal]:
        """Return a request that the account may make, and the market's price in USD.

        Raises:
            ApiError: it may not.
        """
        entry = read_entry(body, self._market.world)
        self._check_own_id(entry.client_order_id)
        price = self._price(entry.instrument)
        check_minimum(entry, price)
        self._check_prices(entry, price)
        symbol = entry.instrument.symbol
        if not entry.order_class and entry.order_type != "trailing_stop":
            opposite = self._book.opposite(symbol, entry.side)
            check_wash_trade(entry.side, entry.order_type, entry.limit_price, opposite)
        if entry.side == "buy":
            check_buying_power(entry, price, self.buying_power())
            return entry, price
        held = self._book.held(symbol)
        check_quantity(entry, price, self._ledger.quantity(symbol), held, self._holders(symbol))
        return entry, price

    def make(self, entry: Entry, price: Decimal, *, is_queued: bool) -> list[Order]:
        """Return the orders of a request, the exits behind the first."""
        stamp, ordinal = self._market.clock.stamp, self._book.ordinal
        return make_orders(entry, price, is_queued=is_queued, stamp=stamp, ordinal=ordinal)

    def replacement(self, old: Order, body: Mapping[str, object]) -> Order:
        """Return the order that is to take another's place.

        Raises:
            ApiError: it may not be replaced, or not by this.
        """
        instrument = self._market.world.instruments[old.symbol]
        change = read_change(body, old, instrument)
        self._check_own_id(change.client_order_id)
        price = self._price(instrument)
        at = self._market.clock.stamp()
        ordinal = self._book.ordinal(old.symbol, old.side, at)
        made = make_replacement(change, old, price, at, ordinal)
        check_replacement(made, old, self._book, price)
        if made.side == "buy":
            check_cost(made.leaves_value, self.buying_power() + old.leaves_value)
        elif old.status != "held":
            held = self._book.held(old.symbol, except_for=old.order_id)
            existing = self._ledger.quantity(old.symbol)
            check_available(
                instrument.position_symbol, made.leaves, existing, held, self._holders(old.symbol)
            )
        return made

    def _check_own_id(self, client_order_id: str) -> None:
        if self._book.by_client_order_id(client_order_id) is not None:
            raise ApiError(422, 40010001, "client_order_id must be unique")

    def _check_prices(self, entry: Entry, price: Decimal) -> None:
        if entry.order_type in ("stop", "stop_limit") and entry.stop_price is not None:
            check_stop(entry.side, entry.stop_price, price)
        if entry.levels is None:
            return
        if entry.order_class == "oco" and not self._ledger.quantity(entry.instrument.symbol):
            raise bad_parameter("oco orders must be exit orders")
        base = entry.limit_price or entry.stop_price or price
        check_levels(entry.order_class, entry.levels, base, price)

    def _holders(self, symbol: str) -> list[str]:
        sells = self._book.opposite(symbol, "buy")
        return [order.order_id for order in sells if order.status != "held"]

    def _price(self, instrument: Instrument) -> Decimal:
        if self._market.clock.has_ended:
            raise forbidden("market is closed for good: the replayed data has ended")
        price = self._market.price(instrument)
        if price is None or not self._market.is_trading(instrument):
            raise bad_parameter(f"asset {instrument.symbol} is not active")
        return price
