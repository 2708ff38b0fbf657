"""Whether a position changed by a split: as many more units as each costs less, and nothing was traded."""

from decimal import Decimal

from risk.domain.numbers import ZERO

SMALLEST_CHANGE = Decimal("0.01")  # of the quantity; a split of less would move no stop out of its place
SAME_COST = Decimal("0.001")  # what rounding moves the cost by


def split_ratio(
    *, quantity: Decimal, cost: Decimal, quantity_after: Decimal, cost_after: Decimal
) -> Decimal | None:
    """Return into how many units one was split (below 1: put together); None where that is not what happened.

    Args:
        quantity, quantity_after: base units held before and after.
        cost, cost_after: what all of it cost, in USD.
    """
    if min(quantity, quantity_after, cost, cost_after) <= ZERO:
        return None
    ratio = quantity_after / quantity
    is_change = abs(ratio - 1) >= SMALLEST_CHANGE
    return ratio if is_change and abs(cost_after - cost) <= cost * SAME_COST else None
