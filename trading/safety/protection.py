"""Which positions a stop at the broker protects."""

from decimal import Decimal

from django.db.models import F, Sum

from trading.domain.order_ids import Purpose
from trading.models import Order, Position

NOTHING = Decimal(0)


def unprotected_positions() -> list[str]:
    """Return the symbols of which some is held without a live stop order at the broker, in alphabetical order.

    A stop protects as much as it can still sell of a long position, or buy back of a short one, and only once the
    broker has given it an id. By our own record: needs nothing but the database.
    """
    stops = Order.objects.live().filter(purpose=Purpose.STOP_LOSS, broker_order_id__isnull=False)
    left = F("quantity") - F("filled_quantity")
    sums = stops.values_list("symbol", "side").annotate(left=Sum(left)).order_by()
    covered = {(symbol, side): quantity or NOTHING for symbol, side, quantity in sums}
    held = Position.objects.order_by("symbol").values_list("symbol", "quantity")
    return [
        symbol
        for symbol, quantity in held
        if covered.get((symbol, "sell" if quantity > 0 else "buy"), NOTHING) < abs(quantity)
    ]
