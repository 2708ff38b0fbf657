"""How large an order may be: by rule, and rounded down, never up."""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal
from types import MappingProxyType

from risk.domain.numbers import HUNDRED
from risk.domain.types import AssetRules, OrderIntent, SizingRule

ONE = Decimal(1)
# The annualised volatility up to which a volatility-scaled entry has its full size.
TARGET_VOLATILITY_PERCENT = Decimal(20)
# Of the wish: what adds less to a position is not bought. A full position whose price moves has a little room each
# cycle, and would be an order and its costs each time.
LEAST_ADDITION = Decimal("0.25")


def fixed_fraction(intent: OrderIntent) -> Decimal:
    """Return the strategy's size as it is, in percent of equity."""
    return intent.size_percent


def volatility_scaled(intent: OrderIntent) -> Decimal | None:
    """Return a size whose risk stays the same: halved at twice the target volatility, never enlarged.

    Returns:
        None when the volatility is unknown: the full size would be the largest this rule knows, given to
        the asset about which least is known, and no smallest size exists that is small enough.
    """
    volatility = intent.volatility_percent
    if volatility is None or not volatility.is_finite() or volatility <= 0:
        return None
    return intent.size_percent * min(ONE, TARGET_VOLATILITY_PERCENT / volatility)


def confidence_scaled(intent: OrderIntent) -> Decimal:
    """Return the size times the confidence: the model's number can only make an entry smaller."""
    return intent.size_percent * intent.confidence


SIZINGS: Mapping[SizingRule, Callable[[OrderIntent], Decimal | None]] = MappingProxyType(
    {
        SizingRule.FIXED_FRACTION: fixed_fraction,
        SizingRule.VOLATILITY_SCALED: volatility_scaled,
        SizingRule.CONFIDENCE_SCALED: confidence_scaled,
    }
)


def wanted_percent(intent: OrderIntent) -> Decimal | None:
    """Return the entry's size in percent of equity by the intent's rule; None when it cannot be told."""
    return SIZINGS[intent.sizing](intent)


def round_down(quantity: Decimal, rules: AssetRules) -> Decimal:
    """Return the largest quantity the asset allows that is not above ``quantity`` (base units)."""
    step = rules.quantity_step if rules.fractionable else max(rules.quantity_step, ONE)
    return (quantity / step).to_integral_value(rounding=ROUND_DOWN) * step


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """Return ``percent`` percent of ``amount``, in the unit of ``amount``."""
    return amount * percent / HUNDRED


def meets_minimum(quantity: Decimal, price: Decimal, rules: AssetRules) -> bool:
    """Return whether quantity and notional reach the asset's minimum, both inclusive."""
    return quantity > 0 and quantity >= rules.min_quantity and quantity * price >= rules.min_notional
