"""A broker in memory that does what it is told, however odd; the model that saga tests compare with."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from connectors.base import (
    Account,
    Asset,
    AssetClass,
    BrokerActivity,
    BrokerFill,
    BrokerOrder,
    BrokerOrderStatus,
    BrokerPosition,
    Holdings,
    MarketClock,
    OpenOrders,
    OrderRequest,
    TradeUpdate,
)
from connectors.errors import DuplicateOrderError, OutcomeUnknownError, RejectedError, UnavailableError

S = BrokerOrderStatus
OPEN = (S.ACCEPTED, S.PARTIALLY_FILLED)
PRICE, CASH = Decimal(100), Decimal(100_000)


@dataclass
class ModelBroker:
    """``plan`` is what becomes of the next order request; ``late`` holds requests still on their way."""

    name: str = "model"
    plan: str = "accept"
    is_down: bool = False
    cancels: str = "at once"
    book: dict[str, BrokerOrder] = field(default_factory=dict)
    executions: list[BrokerFill] = field(default_factory=list)
    late: list[OrderRequest] = field(default_factory=list)
    taken: int = 0

    def submit_order(self, request: OrderRequest, *, permit: Callable[[], None] | None = None) -> BrokerOrder:
        """Do what the plan says, once; then accept again."""
        if permit is not None:
            permit()
        plan, self.plan = self.plan, "accept"
        if self.is_down or plan == "unavailable":
            raise UnavailableError(self.name, "submit_order", "connection refused")
        if plan == "lost on the way":
            raise OutcomeUnknownError(self.name, "submit_order", "reset before")
        if plan == "delayed":
            self.late.append(request)
            raise OutcomeUnknownError(self.name, "submit_order", "timed out")
        if request.client_order_id in self.book:
            raise DuplicateOrderError(self.name, "submit_order", "client_order_id must be unique", 422)
        if plan == "reject":
            raise RejectedError(self.name, "submit_order", "insufficient buying power", 403)
        taken = self.take(request)
        if plan == "reply lost":
            raise OutcomeUnknownError(self.name, "submit_order", "reset after")
        return taken

    def take(self, request: OrderRequest) -> BrokerOrder:
        """Put an order into the book."""
        now = timezone.now()
        self.taken += 1
        order = BrokerOrder(
            broker_order_id=f"b-{self.taken}",
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            status=S.ACCEPTED,
            status_detail="accepted",
            quantity=request.quantity,
            filled_quantity=Decimal(0),
            average_price=None,
            submitted_at=now,
            updated_at=now,
            filled_at=None,
        )
        self.book[order.client_order_id] = order
        return order

    def deliver(self) -> None:
        """Let delayed requests arrive; the broker takes each id once."""
        for request in self.late:
            if request.client_order_id not in self.book:
                self.take(request)
        self.late.clear()

    def fill(self, order: BrokerOrder, quantity: Decimal) -> None:
        """Fill so much of an order; one that was cancelled stays so unless all of it filled."""
        assert order.quantity is not None
        filled = order.filled_quantity + quantity
        status = order.status if order.status not in OPEN else S.PARTIALLY_FILLED
        if filled == order.quantity:
            status = S.FILLED
        self.book[order.client_order_id] = replace(
            order, status=status, filled_quantity=filled, average_price=PRICE
        )
        now = timezone.now()
        self.executions.append(
            BrokerFill(
                execution_id=f"e-{len(self.executions)}",
                broker_order_id=order.broker_order_id,
                symbol=order.symbol,
                side=order.side,
                quantity=quantity,
                price=PRICE,
                executed_at=now,
            )
        )

    def end(self, order: BrokerOrder, status: BrokerOrderStatus) -> None:
        """End an open order."""
        self.book[order.client_order_id] = replace(order, status=status, status_detail=status.value)

    def cancel_order(self, broker_order_id: str) -> None:
        """Cancel at once, take note only, refuse, or fail at it."""
        order = self.order(broker_order_id)
        if self.cancels == "failing":
            raise UnavailableError(self.name, "cancel_order", "HTTP 500: not now")
        if order is None or order.status not in OPEN or self.cancels == "refused":
            raise RejectedError(self.name, "cancel_order", "not cancelable", 422)
        if self.cancels == "at once":
            self.end(order, S.CANCELED)

    def order_by_client_order_id(self, client_order_id: str) -> BrokerOrder | None:
        """Return the order."""
        self._answer("order_by_client_order_id")
        return self.book.get(client_order_id)

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        """Return the order."""
        self._answer("order")
        return next((o for o in self.book.values() if o.broker_order_id == broker_order_id), None)

    def orders(self, *, open_only: bool, after: datetime | None = None) -> list[BrokerOrder]:
        """Return all orders, or the open ones."""
        self._answer("orders")
        return [o for o in self.book.values() if not open_only or o.status in OPEN]

    def fills(self, *, after: datetime | None = None) -> list[BrokerFill]:
        """Return the executions."""
        self._answer("fills")
        return [fill for fill in self.executions if after is None or fill.executed_at > after]

    def activities(self, *, after: datetime) -> list[BrokerActivity]:
        """Return nothing: it pays nothing."""
        self._answer("activities")
        return []

    def account(self) -> Account:
        """Return the money."""
        self._answer("account")
        return Account("model", "ACTIVE", CASH, CASH, CASH - self.held() * PRICE, CASH, trading_blocked=False)

    def clock(self) -> MarketClock:
        """Return an open market."""
        self._answer("clock")
        now = timezone.now()
        return MarketClock(now, True, now + timedelta(days=1), now + timedelta(hours=1))

    def positions(self) -> list[BrokerPosition]:
        """Return what the executions add up to."""
        self._answer("positions")
        held = self.held()
        if not held:
            return []
        return [BrokerPosition("ALSQ", AssetClass.STOCK, held, held, PRICE, held * PRICE, PRICE)]

    def position(self, symbol: str) -> BrokerPosition | None:
        """Return what is held of the one symbol."""
        return next((held for held in self.positions() if held.symbol == symbol), None)

    def holdings(self) -> Holdings:
        """Return the same as ``positions``: every row can be read."""
        return Holdings(tuple(self.positions()))

    def open_orders(self) -> OpenOrders:
        """Return the open orders: every row can be read."""
        return OpenOrders(tuple(self.orders(open_only=True)))

    def held(self) -> Decimal:
        """Return the quantity bought."""
        return sum((fill.quantity for fill in self.executions), Decimal(0))

    def assets(self) -> list[Asset]:
        """Return no assets."""
        return []

    def listen(self, on_update: Callable[[TradeUpdate], None]) -> None:
        """Tell nothing."""

    def stop_listening(self) -> None:
        """Have nothing to stop."""

    def _answer(self, operation: str) -> None:
        if self.is_down:
            raise UnavailableError(self.name, operation, "connection refused")
