"""Whether a position changed by a split: by as many times the units at as many times less the cost."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from risk.domain.numbers import ZERO

# The splits there are: 2 for 1 to 50 for 1, 3 for 2, and their reverses.
SPLIT_RATIOS = tuple(
    Decimal(new) / Decimal(old)
    for new, old in (
        *((n, 1) for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50)),
        (3, 2),
        (4, 3),
        (5, 2),
        (5, 4),
        *((1, n) for n in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)),
    )
)
NEARLY = Decimal("0.002")  # fractions of a share that a split rounds, and an average price's last digits
# Any other ratio, as a stock dividend's, has to leave the cost as it was to this share: an average price's last digits.
SAME_COST = Decimal("0.00001")
LEAST = Decimal("0.005")  # by which the units change at least


def split_ratio(
    *, quantity: Decimal, unit_cost: Decimal, quantity_after: Decimal, unit_cost_after: Decimal
) -> Decimal | None:
    """Return into how many units one was split (below 1: put together); None where that is not what happened.

    No purchase and no transfer leaves that behind.

    Args:
        quantity, quantity_after: base units held before and after, negative where they are owed.
        unit_cost, unit_cost_after: what a unit cost on average, in USD.
    """
    if quantity == 0 or unit_cost_after <= ZERO:
        return None
    ratio, cost_ratio = quantity_after / quantity, unit_cost / unit_cost_after
    for known in SPLIT_RATIOS:
        if abs(ratio / known - 1) <= NEARLY and abs(cost_ratio / known - 1) <= NEARLY:
            return known
    is_changed = ratio > 0 and abs(ratio - 1) >= LEAST
    return ratio if is_changed and abs(ratio / cost_ratio - 1) <= SAME_COST else None


def split_price(price: Decimal, ratio: Decimal, *, tick: Decimal, up: bool = False) -> Decimal:
    """Return what a price of an old unit is of a new one, on the tick, in USD; at least one tick.

    Args:
        ratio: new units per old one.
        up: round away from zero, as a target is; else towards it, as a stop is.
    """
    steps = (price / ratio / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return max(steps, Decimal(1)) * tick
