"""Whether the account can afford an order, in Alpaca's words where it cannot."""

from decimal import Decimal

from connectors.venue.errors import forbidden
from connectors.venue.paper.entry import Entry
from connectors.venue.wire import floor_quantity, number

# an order by quantity holds this much more than it costs at the moment of its entry
RESERVE_MARGIN = Decimal("1.02")


def reserve_price(entry: Entry, price: Decimal) -> Decimal:
    """Return the USD per unit that the order's hold is reckoned with."""
    return price * RESERVE_MARGIN if entry.side == "buy" and entry.quantity is not None else price


def check_buying_power(entry: Entry, price: Decimal, available: Decimal) -> None:
    """Refuse a buy that costs more than the ``available`` USD.

    Raises:
        ApiError: 403.
    """
    needed = entry.notional if entry.quantity is None else entry.quantity * reserve_price(entry, price)
    if needed is not None and needed > available:
        raise forbidden(
            "insufficient buying power", buying_power=number(available), cost_basis=number(needed)
        )


def check_quantity(entry: Entry, price: Decimal, existing: Decimal, held: Decimal) -> None:
    """Refuse a sell of more than the ``existing`` quantity not ``held`` for other orders: never short.

    Raises:
        ApiError: 403.
    """
    asked = entry.quantity
    if asked is None and entry.notional is not None:
        asked = floor_quantity(entry.notional / price)
    available = max(existing - held, Decimal(0))
    if asked is not None and asked > available:
        raise forbidden(
            f"insufficient qty available for order (requested: {number(asked)}, "
            f"available: {number(available)})",
            available=number(available),
            existing_qty=number(existing),
            held_for_orders=number(held),
            symbol=entry.instrument.position_symbol,
        )
