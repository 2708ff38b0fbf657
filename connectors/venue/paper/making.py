"""The orders that a well-formed request makes: one, or an entry with its exits."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from connectors.venue.paper.classes import Levels
from connectors.venue.paper.entry import Entry
from connectors.venue.paper.funds import reserve_price
from connectors.venue.paper.matching import trailing_stop
from connectors.venue.paper.orders import ENTRY, STOP_LOSS, TAKE_PROFIT, Order

Stamp = Callable[[], int]
Ordinal = Callable[[str, str, int], int]


def make_orders(
    entry: Entry, price: Decimal, *, is_queued: bool, stamp: Stamp, ordinal: Ordinal
) -> list[Order]:
    """Return the order of a request, and behind it the exits that belong to it.

    Args:
        price: the market's, in USD.
        is_queued: the market is closed: the order waits as ``accepted``.
        stamp: gives the time of each order, later than all before.
        ordinal: counts the orders of a symbol and side in one second.
    """
    at = stamp()
    order = Order(
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
        ordinal=ordinal(entry.instrument.symbol, entry.side, at),
        order_type=entry.order_type,
        limit_price=entry.limit_price,
        stop_price=entry.stop_price,
        trail_price=entry.trail_price,
        trail_percent=entry.trail_percent,
        order_class=entry.order_class,
    )
    if order.order_type == "trailing_stop":
        order.high_water = price
        order.stop_price = trailing_stop(order)
    if entry.levels is None:
        return [order]
    order.group_id = order.order_id
    order.role = TAKE_PROFIT if entry.order_class == "oco" else ENTRY
    return [order, *_exits(order, entry.levels, stamp, ordinal)]


def _exits(first: Order, levels: Levels, stamp: Stamp, ordinal: Ordinal) -> list[Order]:
    """Return the exits that stand behind the first order, held; their own ids are the broker's."""
    exits = []
    if levels.target is not None and first.role == ENTRY:
        exits.append(_exit(first, TAKE_PROFIT, "limit", levels.target, None, stamp, ordinal))
    if levels.stop is not None:
        kind = "stop" if levels.stop_limit is None else "stop_limit"
        made = _exit(first, STOP_LOSS, kind, levels.stop_limit, levels.stop, stamp, ordinal)
        # an OCO's is looked for from its own first moment on, a bracket's once the entry has filled
        exits.append(made)
    for number, leg in enumerate(exits):
        leg.ordinal += number
    return exits


def _exit(
    first: Order,
    role: str,
    order_type: str,
    limit: Decimal | None,
    stop: Decimal | None,
    stamp: Stamp,
    ordinal: Ordinal,
) -> Order:
    at = stamp()
    return replace(
        first,
        order_id=str(uuid.uuid4()),
        client_order_id=str(uuid.uuid4()),
        side="sell",
        status="held",
        submitted_at=at,
        updated_at=at,
        ordinal=ordinal(first.symbol, "sell", at),
        order_type=order_type,
        limit_price=limit,
        stop_price=stop,
        role=role,
    )
