"""Whether the account can afford an order, in Alpaca's words where it cannot."""

from collections.abc import Sequence
from decimal import Decimal

from connectors.venue.errors import forbidden
from connectors.venue.paper.entry import Entry
from connectors.venue.wire import floor_quantity, number

# an order by quantity holds this much more than it costs at the moment of its entry
RESERVE_MARGIN = Decimal("1.02")


def reserve_price(entry: Entry, price: Decimal) -> Decimal:
    """Return the USD per unit that the order's hold is reckoned with: its limit where it has one."""
    return reserve_at(entry.side, entry.quantity, entry.limit_price, entry.stop_price, price)


def reserve_at(
    side: str, quantity: Decimal | None, limit: Decimal | None, stop: Decimal | None, price: Decimal
) -> Decimal:
    """Return the USD per unit that an order of these prices holds, the market's being ``price``."""
    if side == "sell" or quantity is None:
        return price
    if limit is not None:
        return limit
    return max(price, stop or price) * RESERVE_MARGIN


def check_buying_power(entry: Entry, price: Decimal, available: Decimal) -> None:
    """Refuse a buy that costs more than the ``available`` USD.

    Raises:
        ApiError: 403.
    """
    needed = entry.notional if entry.quantity is None else entry.quantity * reserve_price(entry, price)
    if needed is not None:
        check_cost(needed, available)


def check_cost(needed: Decimal, available: Decimal) -> None:
    """Refuse what holds more than the ``available`` USD.

    Raises:
        ApiError: 403.
    """
    if needed > available:
        raise forbidden(
            "insufficient buying power", buying_power=number(available), cost_basis=number(needed)
        )


def check_quantity(
    entry: Entry, price: Decimal, existing: Decimal, held: Decimal, related: Sequence[str] = ()
) -> None:
    """Refuse a sell of more than the ``existing`` quantity not ``held`` for other orders: never short.

    Raises:
        ApiError: 403.
    """
    asked = entry.quantity
    if asked is None and entry.notional is not None:
        asked = floor_quantity(entry.notional / price)
    if asked is not None:
        check_available(entry.instrument.position_symbol, asked, existing, held, related)


def check_available(
    symbol: str, asked: Decimal, existing: Decimal, held: Decimal, related: Sequence[str] = ()
) -> None:
    """Refuse to hold more of a position than no other order holds.

    Args:
        related: ids of the orders that hold it.

    Raises:
        ApiError: 403.
    """
    available = max(existing - held, Decimal(0))
    if asked > available:
        raise forbidden(
            f"insufficient qty available for order (requested: {number(asked)}, "
            f"available: {number(available)})",
            available=number(available),
            existing_qty=number(existing),
            held_for_orders=number(held),
            related_orders=list(related),
            symbol=symbol,
        )
