"""Settle where a position is to be sold: by the entries that made it, or, where it came from elsewhere, by defaults."""

from decimal import Decimal

from risk.domain.numbers import ZERO
from trading.domain.order_ids import Purpose
from trading.domain.protection.plans import ExitRules, plan_exit, tick_at
from trading.domain.symbols import is_coin
from trading.models import Order, Position

# Of what no strategy of ours bought: the same figures that a new strategy begins with.
DEFAULT_RULES = ExitRules(stop_percent=Decimal(5), reward_to_risk=Decimal(2))


def settle_plan(position: Position, *, price: Decimal) -> Position:
    """Write down at which prices a position is to be sold, where nobody has; return it.

    What the entries that it was bought by said holds: of several the nearest stop to be reached last, so that none is
    sold before its own. What was adopted is measured from its price now, for its stop would be behind it already.

    Args:
        price: of a unit now, USD.
    """
    if position.stop_price is not None:
        return position
    stop, target = _of_entries(position)
    if stop is None:
        basis = min(price, position.average_entry_price) if position.average_entry_price > 0 else price
        coin = is_coin(position.symbol)
        plan = plan_exit(DEFAULT_RULES, entry_price=basis, tick=tick_at(basis, is_coin=coin))
        stop, target = plan.stop_price, None
    Position.objects.filter(pk=position.pk, stop_price__isnull=True).update(
        stop_price=stop, target_price=target, highest_price=max(price, position.average_entry_price)
    )
    position.refresh_from_db()
    return position


def _of_entries(position: Position) -> tuple[Decimal | None, Decimal | None]:
    """Return the lowest stop and the highest target of the entries that what is held was bought by."""
    left, stops, targets = position.quantity, [], []
    bought = Order.objects.filter(symbol=position.symbol, purpose=Purpose.ENTRY, filled_quantity__gt=0)
    for order in bought.order_by("-created_at")[:100]:
        if left <= ZERO:
            break
        left -= order.filled_quantity
        if order.stop_loss_price is not None:
            stops.append(order.stop_loss_price)
        if order.take_profit_price is not None:
            targets.append(order.take_profit_price)
    return min(stops, default=None), max(targets, default=None)
