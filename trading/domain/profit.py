"""What a sale earned, after fees: pure arithmetic in Decimal."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from risk.domain.numbers import ZERO

# The broker takes about 25 bps from what is received: coins for a buy, USD for a sale (Alpaca, tier 1).
COIN_FEE_RATE = Decimal("0.0025")
FEE_IN_KIND = Decimal("0.01")  # more than a coin's fee ever takes of what was bought
# What a position may be smaller than its fills: the fees of a few round trips, and rounding.
UNEXPLAINED_SHARE = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill: gross ``quantity`` in base units at ``price`` USD."""

    is_buy: bool
    quantity: Decimal
    price: Decimal


def realised_pnl(*, quantity: Decimal, price: Decimal, cost_per_unit: Decimal, is_coin: bool) -> Decimal:
    """Return what selling ``quantity`` base units earned in USD: proceeds after the fee, less their cost."""
    fee_rate = COIN_FEE_RATE if is_coin else ZERO
    return quantity * (price * (1 - fee_rate) - cost_per_unit)


def cost_per_unit(executions: Iterable[Execution], held: Decimal) -> Decimal | None:
    """Return what one held unit cost in USD, fees taken in the coin included.

    The money spent is spread over what is really held, which is less than what was bought where the fee was
    taken in the coin (docs/lessons.md#lesson-38); sales take their share of the cost.

    Args:
        executions: oldest first.
        held: base units, positive.

    Returns:
        None where the executions do not explain the position (it was there before, or moved in).
    """
    quantity, cost = ZERO, ZERO
    for execution in executions:
        if execution.is_buy:
            quantity += execution.quantity
            cost += execution.quantity * execution.price
            continue
        left = quantity - execution.quantity
        if left <= quantity * UNEXPLAINED_SHARE:
            quantity, cost = ZERO, ZERO
        else:
            quantity, cost = left, cost * left / quantity
    if held <= 0 or not held <= quantity <= held * (1 + UNEXPLAINED_SHARE):
        return None
    return cost / held
