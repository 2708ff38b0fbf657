"""The account's money and positions: pure bookkeeping in Decimal."""

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from connectors.venue.wire import floor_quantity

STARTING_CASH = Decimal(100_000)
CRYPTO_FEE = Decimal("0.0025")
CENT, _CENT_FRACTION = Decimal("0.01"), Decimal("0.000001")


@dataclass(slots=True)
class Holding:
    """A long position: base units and what they cost in USD."""

    quantity: Decimal
    cost: Decimal

    @property
    def average_price(self) -> Decimal:
        """Return the average entry price in USD."""
        return self.cost / self.quantity


@dataclass(frozen=True, slots=True)
class Booking:
    """What a fill did: ``fee`` in coins for a coin bought, in USD for one sold, 0 for stocks."""

    cash_change: Decimal
    quantity_change: Decimal
    fee: Decimal


@dataclass(slots=True)
class Ledger:
    """Cash in USD and holdings by order symbol. Quantities are never negative: no shorting."""

    cash: Decimal = STARTING_CASH
    holdings: dict[str, Holding] = field(default_factory=dict)

    def quantity(self, symbol: str) -> Decimal:
        """Return the quantity held, 0 where there is none."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else Decimal(0)

    def book(self, symbol: str, side: str, quantity: Decimal, price: Decimal, *, is_crypto: bool) -> Booking:
        """Book a fill of gross ``quantity`` base units at ``price`` USD.

        A coin's fee is taken from what is received: coins for a buy, USD for a sell.

        Raises:
            ValueError: nothing to fill, or more sold than held.
        """
        if quantity <= 0 or price <= 0:
            raise ValueError(f"quantity and price must be positive, were {quantity} and {price}")
        value = (quantity * price).quantize(_CENT_FRACTION, ROUND_HALF_UP)
        rate = CRYPTO_FEE if is_crypto else Decimal(0)
        if side == "buy":
            return self._buy(symbol, quantity, value, rate)
        return self._sell(symbol, quantity, value, rate)

    def split(self, symbol: str, ratio: Decimal) -> tuple[Decimal, Decimal]:
        """Multiply a holding by ``ratio``, its cost staying as it is; return the quantity before and after."""
        holding = self.holdings[symbol]
        before, holding.quantity = holding.quantity, floor_quantity(holding.quantity * ratio)
        if not holding.quantity:
            del self.holdings[symbol]
        return before, self.quantity(symbol)

    def pay(self, symbol: str, per_share: Decimal) -> Decimal:
        """Add a dividend of ``per_share`` USD to the cash; return it, in whole cents."""
        amount = (self.quantity(symbol) * per_share).quantize(CENT, ROUND_HALF_UP)
        self.cash += amount
        return amount

    def _buy(self, symbol: str, quantity: Decimal, value: Decimal, rate: Decimal) -> Booking:
        received = floor_quantity(quantity * (1 - rate)) if rate else quantity
        holding = self.holdings.setdefault(symbol, Holding(Decimal(0), Decimal(0)))
        holding.quantity += received
        holding.cost += value
        self.cash -= value
        if not holding.quantity:
            del self.holdings[symbol]
        return Booking(-value, received, quantity - received)

    def _sell(self, symbol: str, quantity: Decimal, value: Decimal, rate: Decimal) -> Booking:
        held = self.quantity(symbol)
        if quantity > held:
            raise ValueError(f"cannot sell {quantity} of {symbol}, only {held} held")
        fee = (value * rate).quantize(_CENT_FRACTION, ROUND_HALF_UP)
        holding = self.holdings[symbol]
        holding.cost -= holding.cost * quantity / held
        holding.quantity -= quantity
        if not holding.quantity:
            del self.holdings[symbol]
        self.cash += value - fee
        return Booking(value - fee, -quantity, fee)
