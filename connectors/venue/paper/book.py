"""All orders of the account, and what the open ones hold."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from connectors.venue.paper.orders import Order, second_of


class OrderBook:
    """Orders by id and by client_order_id; the open ones apart."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self.orders: dict[str, Order] = {}
        self._by_client_order_id: dict[str, Order] = {}
        self._open: dict[str, Order] = {}
        self._second = -1
        self._taken: Counter[tuple[str, str]] = Counter()
        for order in orders:
            self.add(order)

    def add(self, order: Order) -> None:
        """Take an order in, none older than those before."""
        self._taken[order.symbol, order.side] = self.ordinal(order.symbol, order.side, order.submitted_at) + 1
        self.orders[order.order_id] = order
        self._by_client_order_id[order.client_order_id] = order
        if order.is_open:
            self._open[order.order_id] = order

    def ordinal(self, symbol: str, side: str, at: int) -> int:
        """Return how many orders of symbol and side were taken in the second of ``at``, the newest stamp there is."""
        if second_of(at) != self._second:  # stamps only rise: what was counted before is not asked for again
            self._second = second_of(at)
            self._taken.clear()
        return self._taken[symbol, side]

    def settle(self, order: Order) -> None:
        """Let go of what an order held that is no longer open."""
        self._open.pop(order.order_id, None)

    def by_client_order_id(self, client_order_id: str) -> Order | None:
        """Return the order with this client_order_id."""
        return self._by_client_order_id.get(client_order_id)

    def open_orders(self) -> list[Order]:
        """Return the orders that may still fill, oldest first."""
        return list(self._open.values())

    def held(self, symbol: str) -> Decimal:
        """Return the quantity held for open sell orders, base units."""
        sells = (o for o in self._open.values() if o.side == "sell" and o.symbol == symbol)
        return sum((o.leaves for o in sells), Decimal(0))

    def reserved(self) -> Decimal:
        """Return the USD reserved for open buy orders."""
        return sum((o.leaves_value for o in self._open.values() if o.side == "buy"), Decimal(0))
