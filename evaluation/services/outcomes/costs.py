"""What buying and selling again costs, in shares of the notional: the label's, fixed with its version."""

from decimal import Decimal

from evaluation.domain.shadow_book import Costs
from trading.domain.symbols import is_coin

STOCK = Costs()
COIN = Costs(half_spread_bps=Decimal(4), fee_bps=Decimal(25))
_BPS = Decimal(10_000)


def round_trip_cost(symbol: str) -> Decimal:
    """Return half the spread, the most that slips and the fee, there and back: 0.0008 of a stock, 0.0064 of a coin."""
    costs = COIN if is_coin(symbol) else STOCK
    return 2 * (costs.half_spread_bps + costs.slippage_bps + costs.fee_bps) / _BPS
