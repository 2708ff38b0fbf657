"""Settle where a position is to be sold: by the entries that made it, or, where it came from elsewhere, by defaults."""

from datetime import datetime
from decimal import Decimal

from risk.domain.numbers import ZERO
from trading.domain.order_ids import Purpose
from trading.domain.protection.horizons import sell_by
from trading.domain.protection.plans import DEFAULT_STOP_PERCENT, ExitRules, plan_exit, tick_at
from trading.domain.symbols import is_coin
from trading.models import Order, Position, Thesis
from trading.protection.theses import open_theses_of

# Of what no strategy of ours bought: the stop that a new strategy begins with, and no target.
DEFAULT_RULES = ExitRules(stop_percent=DEFAULT_STOP_PERCENT)


def settle_plan(position: Position, *, price: Decimal) -> Position:
    """Write down at which prices, and when, a position is to be sold, where nobody has; return it.

    What the entries said that it was bought by holds: of several the lowest stop, the highest target and the last
    date, so that nothing is sold before its own. What was adopted is measured from its price now, where that is below
    what it cost, for its stop would be behind it already.

    Args:
        price: of a unit now, USD.
    """
    if position.stop_price is not None:
        return position
    stop, target = _of_entries(position)
    theses = open_theses_of([position.symbol]).get(position.symbol, [])
    if stop is None:
        basis = min(price, position.average_entry_price) if position.average_entry_price > 0 else price
        stop = plan_exit(
            DEFAULT_RULES, entry_price=basis, tick=tick_at(basis, is_coin=is_coin(position.symbol))
        ).stop_price
    Position.objects.filter(pk=position.pk, stop_price__isnull=True).update(
        stop_price=stop,
        target_price=target,
        highest_price=max(price, position.average_entry_price),
        trailing_percent=max((t.strategy.trailing_percent or ZERO for t in theses), default=ZERO) or None,
        sell_by=max(filter(None, map(_sell_by, theses)), default=None)
        if all(map(_sell_by, theses))
        else None,
    )
    position.refresh_from_db()
    return position


def _sell_by(thesis: Thesis) -> datetime | None:
    if thesis.horizon_sessions is None:
        return None
    return sell_by(thesis.opened_at, thesis.horizon_sessions, is_coin=is_coin(thesis.symbol))


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
