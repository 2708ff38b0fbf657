"""Book trades: one row for each order that filled, wholly or so far, with its realised profit after fees."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Max
from django.utils import timezone

from risk.domain.numbers import ZERO
from trading.core.row_locks import locked_order
from trading.core.statements.message import Message
from trading.domain.performance.exit_reasons import exit_reason
from trading.domain.profit import FEE_IN_KIND, Execution, cost_per_unit, realised_pnl
from trading.domain.symbols import is_coin
from trading.models import Fill, Order, Position, Strategy, Trade
from trading.performance import lots
from trading.protection import theses

_LAST_FILLS = "SELECT order_id, max(executed_at) FROM fills WHERE order_id = ANY(%s) GROUP BY order_id"
# What a trade is brought to when more of its order has filled: all but its id and its order.
BOOKED_FIELDS = [
    "decision",
    "strategy",
    "cycle_id",
    "symbol",
    "side",
    "quantity",
    "price",
    "realised_pnl",
    "exit_reason",
    "reasoning",
    "decision_price",
    "traded_at",
    "booked_at",
]


def book_trade(order: Order, *, unit_cost: Decimal | None) -> Trade:
    """Write the order's trade, or bring it to what filled since; call holding the order's row lock.

    Args:
        unit_cost: what a unit sold had cost in USD, None for an order that opens.
    """
    (trade,) = book_trades([(order, unit_cost)])
    return trade


def book_trades(orders: Sequence[tuple[Order, Decimal | None]]) -> list[Trade]:
    """Do the same for many, each with its unit cost, and count their lots; call holding the orders' row locks.

    What the first part of an entry was for is frozen with it.
    """
    if not orders:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LAST_FILLS, [[order.pk for order, _ in orders]])
        last_fills = dict(cursor.fetchall())
    rows = [_trade_of(order, unit_cost, last_fills.get(order.pk)) for order, unit_cost in orders]
    booking = Message()
    booking.insert(rows, or_update=BOOKED_FIELDS, same=["order"])
    with transaction.atomic(savepoint=False):  # a trade is in the lots, or is not booked
        booking.say()
        theses.open_theses(rows)
        lots.book_lots([order.pk for order, _ in orders])
    return rows


def note_booked(orders: Collection[Order]) -> None:
    """Note that all that these orders have filled is booked for good; call holding their row locks, beside the booking.

    What fills later makes them unbooked again. One with a saga is booked for good once that is complete.
    """
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(booked_quantity=F("filled_quantity"))


def _trade_of(order: Order, unit_cost: Decimal | None, last_fill_at: datetime | None) -> Trade:
    if order.average_price is None:
        raise ValueError(f"order {order.pk} has filled nothing")
    decision, booked_at = order.decision, order.ended_at or timezone.now()
    pnl = None
    if unit_cost is not None:
        pnl = realised_pnl(
            quantity=order.filled_quantity,
            price=order.average_price,
            cost_per_unit=unit_cost,
            is_coin=is_coin(order.symbol),
        )
    return Trade(
        order=order,
        decision=decision,
        strategy=decision.strategy if decision else opener_of(order),
        cycle_id=order.cycle_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.filled_quantity,
        price=order.average_price,
        realised_pnl=pnl,
        exit_reason=exit_reason(side=order.side, purpose=order.purpose, said=order.exit_reason),
        reasoning=decision.reasoning if decision else "",
        decision_price=decision.price if decision else None,
        traded_at=last_fill_at or booked_at,
        booked_at=booked_at,
    )


def date_trade(order: Order) -> None:
    """Date the order's trade by its last fill, and its lots by its fills, where those came after it was booked."""
    last = order.fills.aggregate(last=Max("executed_at"))["last"]
    with transaction.atomic():
        if last is not None:
            Trade.objects.filter(order=order).exclude(traded_at=last).update(traded_at=last)
        lots.fills_were_added(order.symbol)


def held_unit_costs(positions: Collection[Position]) -> dict[str, Decimal]:
    """Return what a unit of each position cost, by symbol: by our fills where they explain it, else by the broker."""
    if not positions:
        return {}
    fills: dict[str, list[Fill]] = {position.symbol: [] for position in positions}
    for fill in Fill.objects.filter(symbol__in=fills).order_by("executed_at", "recorded_at"):
        fills[fill.symbol].append(fill)
    return {
        p.symbol: cost_per_unit(_executions(fills[p.symbol]), p.quantity) or p.average_entry_price
        for p in positions
    }


def sold_unit_cost(order: Order) -> Decimal | None:
    """Return what a unit sold by an order without a saga had cost, by the fills before it.

    It is to sell what is held, so it says how much that is, also while only a part of it has filled.
    """
    if order.side != "sell":
        return None
    first = order.fills.order_by("executed_at").first()
    before = Fill.objects.filter(symbol=order.symbol).exclude(order=order).order_by("executed_at")
    if first is not None:
        before = before.filter(executed_at__lte=first.executed_at)
    return cost_per_unit(_executions(before), order.quantity or order.filled_quantity)


def opener_of(order: Order) -> Strategy | None:
    """Return the strategy whose entries bought what an order without a decision sold, None where none is known.

    By the trades booked before it; where several hold of it, the one that holds most: a trade has one strategy.
    """
    if order.side != "sell":
        return None
    bought: dict[UUID, Decimal] = {}
    sold: dict[UUID, Decimal] = {}
    before = Trade.objects.filter(symbol=order.symbol, strategy__isnull=False).exclude(order=order)
    for strategy_id, side, quantity in before.values_list("strategy__pk", "side", "quantity"):
        one = bought if side == "buy" else sold
        one[strategy_id] = one.get(strategy_id, ZERO) + quantity
    held = {pk: total - sold.get(pk, ZERO) for pk, total in bought.items()}
    # A fee in kind leaves a little of a coin unsold for ever: that is no holding.
    holders = {pk: left for pk, left in held.items() if left > bought[pk] * FEE_IN_KIND}
    return Strategy.objects.get(pk=max(holders, key=lambda pk: holders[pk])) if holders else None


def book_strangers() -> list[Order]:
    """Book what orders without a saga (external, flatten) have filled so far; return those booked."""
    booked = []
    for stranger in unbooked_strangers():
        with transaction.atomic():
            order = locked_order(stranger.pk)
            book_trade(order, unit_cost=sold_unit_cost(order))
            note_booked([order])
        booked.append(order)
    return booked


def unbooked_strangers() -> list[Order]:
    """Return the orders without a saga (external, flatten) whose fills are not all in their trade."""
    filled = Order.objects.filter(saga__isnull=True, filled_quantity__gt=0, average_price__isnull=False)
    missing = filled.filter(trade__isnull=True) | filled.filter(filled_quantity__gt=F("trade__quantity"))
    return list(missing.order_by("created_at"))


def _executions(fills: Iterable[Fill]) -> list[Execution]:
    return [Execution(fill.side == "buy", fill.quantity, fill.price) for fill in fills]
