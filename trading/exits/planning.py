"""Settle where a position is to be sold: by the entries that made it, or, where it came from elsewhere, by defaults."""

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from risk.domain.numbers import ONE, ZERO
from trading.domain.order_ids import Purpose
from trading.domain.performance.splits import split_price
from trading.domain.protection.horizons import sell_by
from trading.domain.protection.plans import DEFAULT_STOP_PERCENT, ExitRules, plan_exit, tick_at
from trading.domain.symbols import is_coin
from trading.models import AccountActivity, Order, Position, Thesis

STORED_DIGITS = Decimal("1e-12")  # of a position's prices
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
    coin = is_coin(position.symbol)
    theses = list(Thesis.objects.open().filter(symbol=position.symbol).select_related("strategy"))
    if stop is None:
        basis = min(price, position.average_entry_price) if position.average_entry_price > 0 else price
        stop = plan_exit(DEFAULT_RULES, entry_price=basis, tick=tick_at(basis, is_coin=coin)).stop_price
    plan: dict[str, Any] = {
        "stop_price": stop,
        "target_price": target,
        "highest_price": max(price, position.average_entry_price).quantize(STORED_DIGITS),
        "trailing_percent": _widest_trail(theses),
        "sell_by": _last_date(theses, coin=coin),
    }
    if not Position.objects.filter(pk=position.pk, stop_price__isnull=True).update(**plan):
        position.refresh_from_db()
        return position
    for name, value in plan.items():
        setattr(position, name, value)
    return position


def _widest_trail(theses: Sequence[Thesis]) -> Decimal | None:
    trails = [thesis.strategy.trailing_percent for thesis in theses]
    return max((trail for trail in trails if trail is not None), default=None)


def _last_date(theses: Sequence[Thesis], *, coin: bool) -> datetime | None:
    """Return when the last of them is over; None where one of them has no end."""
    ends = [
        sell_by(thesis.opened_at, thesis.horizon_sessions, is_coin=coin)
        for thesis in theses
        if thesis.horizon_sessions is not None
    ]
    return max(ends, default=None) if len(ends) == len(theses) else None


def _of_entries(position: Position) -> tuple[Decimal | None, Decimal | None]:
    """Return the lowest stop and the highest target of the entries that what is held was bought by, as split since."""
    left, stops, targets = position.quantity, [], []
    splits = _splits(position.symbol)
    bought = Order.objects.filter(symbol=position.symbol, purpose=Purpose.ENTRY, filled_quantity__gt=0)
    # Not those whose position is gone: what is held now was bought elsewhere, at another price.
    bought = bought.exclude(thesis__closed_at__isnull=False)
    for order in bought.order_by("-created_at")[:100]:
        if left <= ZERO:
            break
        ratio = math.prod((ratio for noted_at, ratio in splits if noted_at > order.created_at), start=ONE)
        left -= order.filled_quantity * ratio
        stop, target = order.stop_loss_price, order.take_profit_price
        tick = tick_at((stop or position.average_entry_price) / ratio, is_coin=is_coin(position.symbol))
        if stop is not None:
            stops.append(stop if ratio == 1 else split_price(stop, ratio, tick=tick))
        if target is not None:
            targets.append(target if ratio == 1 else split_price(target, ratio, tick=tick, up=True))
    return min(stops, default=None), max(targets, default=None)


def _splits(symbol: str) -> list[tuple[datetime, Decimal]]:
    """Return the symbol's splits: when each was noted (wall time), and the new units per old one."""
    splits = AccountActivity.objects.filter(symbol=symbol, kind=AccountActivity.Kind.SPLIT)
    return list(splits.values_list("noted_at", "price"))
