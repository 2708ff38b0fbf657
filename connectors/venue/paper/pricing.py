"""How orders fill: latency, spread, slippage, partial fills, all by the seed and the market's time."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from connectors.venue import seeded
from connectors.venue.paper.orders import Order
from connectors.venue.replay.market import Market
from connectors.venue.wire import floor_quantity, price_decimal
from connectors.venue.world.model import Instrument

_MAX_COIN_AGE_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class FillModel:
    """Settings of the fills.

    Args:
        latency_seconds: real seconds from entry to fill.
        slippage_bps: a fill is worse than the quote by up to this.
        partial_rate: share of the orders that fill in two parts.
    """

    seed: int
    latency_seconds: float = 0.15
    slippage_bps: float = 3.0
    partial_rate: float = 0.1

    def first_share(self, order: Order) -> Decimal | None:
        """Return the share of the first of two fills, None for a fill in one piece."""
        if seeded.unit(self.seed, "partial", *order.chance) >= self.partial_rate:
            return None
        return Decimal(str(round(0.2 + 0.6 * seeded.unit(self.seed, "share", *order.chance), 4)))

    def price(
        self, market: Market, instrument: Instrument, order: Order, moment: float | None
    ) -> Decimal | None:
        """Return the fill price in USD at ``moment`` (default now), None while nothing trades.

        An order with a limit fills at it or better, or not at all.
        """
        at = market.clock.now() if moment is None else moment
        tick = market.tick(instrument, at)
        if tick is None or not self._is_trading(market, instrument, tick.traded_at, at):
            return None
        limit = order.limit_price
        slip = 0.0 if limit is not None else self._slip(order)
        price = self._quoted(tick.price, tick.half_spread + slip, order, instrument)
        if price <= 0 or (limit is not None and is_worse(order.side, price, limit)):
            return None
        return price

    def price_at_touch(
        self, touched: float, half_spread: float, order: Order, instrument: Instrument
    ) -> Decimal:
        """Return the fill price in USD of an order whose level was reached at the price ``touched``."""
        limit = order.limit_price
        if limit is None:
            return self._quoted(touched, half_spread + self._slip(order), order, instrument)
        price = self._quoted(touched, half_spread, order, instrument)
        return limit if is_worse(order.side, price, limit) else price

    def _slip(self, order: Order) -> float:
        return self.slippage_bps / 10_000 * seeded.unit(self.seed, "slip", *order.chance)

    @staticmethod
    def _quoted(price: float, worse_by: float, order: Order, instrument: Instrument) -> Decimal:
        sign = 1 if order.side == "buy" else -1
        return price_decimal(price * (1 + sign * worse_by), is_crypto=instrument.is_crypto)

    def _is_trading(self, market: Market, instrument: Instrument, traded_at: float, at: float) -> bool:
        if instrument.is_crypto:
            return at - traded_at <= _MAX_COIN_AGE_SECONDS
        return market.timeline.is_open(at) and market.day(instrument, traded_at) == market.day(instrument, at)


def is_worse(side: str, price: Decimal, limit: Decimal) -> bool:
    """Tell whether a fill at ``price`` would break the order's limit."""
    return price > limit if side == "buy" else price < limit


def fill_quantity(
    order: Order, price: Decimal, fraction: Decimal | None, sellable: Decimal | None
) -> tuple[Decimal, bool]:
    """Return how much fills now, in base units, and whether that completes the order.

    Args:
        fraction: of what is left; None: all of it. Whole quantities fill in whole parts, orders by value
            in one piece.
        sellable: what a sell may take; None for buys.
    """
    if order.quantity is None:
        quantity = floor_quantity(order.leaves_value / price)
        return (quantity if sellable is None else min(quantity, sellable)), True
    leaves = order.leaves
    if fraction is None:
        return leaves, True
    part = floor_quantity(leaves * fraction)
    if leaves == leaves.to_integral_value():
        part = part.to_integral_value(ROUND_DOWN)
    return (part, False) if 0 < part < leaves else (leaves, True)
