"""All orders of the account, and what the open ones hold."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal

from connectors.venue.paper.orders import STOP_LOSS, Order, second_of


class OrderBook:
    """Orders by id and by client_order_id; the open ones apart."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self.orders: dict[str, Order] = {}
        self._by_client_order_id: dict[str, Order] = {}
        self._open: dict[str, Order] = {}
        self._groups: defaultdict[str, list[Order]] = defaultdict(list)
        self._priced: dict[str, Order] = {}
        self._second = -1
        self._taken: Counter[tuple[str, str]] = Counter()
        for order in orders:
            self.add(order)

    def add(self, order: Order) -> None:
        """Take an order in, none older than those before."""
        self._taken[order.symbol, order.side] = self.ordinal(order.symbol, order.side, order.submitted_at) + 1
        self.orders[order.order_id] = order
        self._by_client_order_id[order.client_order_id] = order
        if order.group_id is not None:
            self._groups[order.group_id].append(order)
        if order.is_open:
            self._open[order.order_id] = order
            if order.order_type != "market":
                self._priced[order.order_id] = order

    def ordinal(self, symbol: str, side: str, at: int) -> int:
        """Return how many orders of symbol and side were taken in the second of ``at``, the newest stamp there is."""
        if second_of(at) != self._second:  # stamps only rise: what was counted before is not asked for again
            self._second = second_of(at)
            self._taken.clear()
        return self._taken[symbol, side]

    def settle(self, order: Order) -> None:
        """Let go of what an order held that is no longer open."""
        self._open.pop(order.order_id, None)
        self._priced.pop(order.order_id, None)

    def by_client_order_id(self, client_order_id: str) -> Order | None:
        """Return the order with this client_order_id."""
        return self._by_client_order_id.get(client_order_id)

    @property
    def has_open(self) -> bool:
        """Whether any order may still fill."""
        return bool(self._open)

    def open_orders(self) -> list[Order]:
        """Return the orders that may still fill, oldest first."""
        return list(self._open.values())

    def resting(self) -> list[Order]:
        """Return the orders that wait for a price, oldest first."""
        return [order for order in self._priced.values() if order.is_resting]

    def opposite(self, symbol: str, side: str) -> list[Order]:
        """Return the open orders of the symbol's other side."""
        return [o for o in self._open.values() if o.symbol == symbol and o.side != side]

    def group(self, order: Order) -> list[Order]:
        """Return the orders of its group, itself included; those that were replaced too."""
        return [order] if order.group_id is None else self._groups[order.group_id]

    def siblings(self, order: Order) -> list[Order]:
        """Return the other orders of its group that are open."""
        return [one for one in self.group(order) if one is not order and one.is_open]

    def primary(self, order: Order) -> Order:
        """Return the order that its group is nested under: the entry, an OCO's take-profit; as replaced last."""
        if order.group_id is None:
            return order
        role = self.orders[order.group_id].role
        return next(
            one
            for one in reversed(self._groups[order.group_id])
            if one.role == role and self._is_present(one)
        )

    def legs(self, order: Order) -> list[Order]:
        """Return what is nested under an order: the present legs of the group that it is the first of."""
        if order.group_id is None or self.primary(order) is not order:
            return []
        return [
            one for one in self._groups[order.group_id] if one.role != order.role and self._is_present(one)
        ]

    def _is_present(self, order: Order) -> bool:
        """Tell whether an order was not replaced, nor is one that was to replace another and has not."""
        if order.replaced_by is not None:
            return False
        return order.replaces is None or self.orders[order.replaces].replaced_by == order.order_id

    def held(self, symbol: str, *, except_for: str = "") -> Decimal:
        """Return the quantity held for open sell orders, base units: an OCO's, a bracket's once.

        Args:
            except_for: id of an order whose hold is left out.
        """
        sells = [o for o in self._open.values() if o.side == "sell" and o.symbol == symbol]
        return sum((self._held_by(o) for o in sells if o.order_id != except_for), Decimal(0))

    def reserved(self) -> Decimal:
        """Return the USD reserved for open buy orders."""
        buys = (o for o in self._open.values() if o.side == "buy" and o.status != "held")
        return sum((self._reserved_by(o) for o in buys), Decimal(0))

    def _held_by(self, order: Order) -> Decimal:
        if order.status == "held":  # waits for its entry, or its take-profit holds for both
            return Decimal(0)
        if order.is_replacement_under_way:  # the larger of the two is held
            return max(order.leaves - self.orders[str(order.replaces)].leaves, Decimal(0))
        return order.leaves

    def _reserved_by(self, order: Order) -> Decimal:
        if order.is_replacement_under_way:
            return max(order.leaves_value - self.orders[str(order.replaces)].leaves_value, Decimal(0))
        return order.leaves_value

    def stop_loss_of(self, order: Order) -> Order | None:
        """Return the open stop-loss beside a take-profit."""
        return next((one for one in self.siblings(order) if one.role == STOP_LOSS), None)
