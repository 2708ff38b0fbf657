"""How large an order may be: rounded down, never up."""

from decimal import ROUND_DOWN, Decimal

from risk.domain.types import AssetRules

HUNDRED = Decimal(100)
ONE = Decimal(1)


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
