"""Do the books agree with the broker's account: cash and quantities, to the cent. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from risk.domain.numbers import ZERO, plain_decimal
from trading.domain.performance.lots import MONEY
from trading.domain.performance.splits import split_ratio

CENT = Decimal("0.01")
CASH = "cash"


@dataclass(frozen=True, slots=True)
class Held:
    """What the broker holds of a symbol: base units (negative: short), its cost a unit, its price a unit.

    ``price`` is None where the broker says no value.
    """

    quantity: Decimal
    unit_cost: Decimal
    price: Decimal | None

    @property
    def mark(self) -> Decimal:
        """What a unit counts for: its price, or its cost where that is not known."""
        return self.unit_cost if self.price is None else self.price


@dataclass(frozen=True, slots=True)
class Booked:
    """What the lots hold of a symbol, and what the broker said of it when both last agreed."""

    quantity: Decimal
    cost: Decimal
    before_quantity: Decimal = ZERO
    before_unit_cost: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Difference:
    """What the broker has more than the books: cash in USD, and base units by symbol (negative: less)."""

    cash: Decimal = ZERO
    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    value: Decimal = ZERO

    def __bool__(self) -> bool:
        """Whether there is one beyond a cent."""
        return bool(self.places)

    @property
    def places(self) -> Sequence[str]:
        """Where it is: ``cash``, and symbols."""
        cash = [CASH] if abs(self.cash) > CENT else []
        return [*cash, *sorted(self.quantities)]

    @property
    def amount(self) -> Decimal:
        """What it is worth in USD: how much more the account has than the books explain."""
        cash = self.cash if abs(self.cash) > CENT else ZERO
        return (cash + self.value).quantize(CENT, ROUND_HALF_UP)

    @property
    def words(self) -> str:
        """The difference in words for a person: ``cash +12.50 USD, AAPL -3``."""
        cash = [f"cash {self.cash.quantize(CENT, ROUND_HALF_UP):+f} USD"] if abs(self.cash) > CENT else []
        units = [
            f"{symbol} {'+' if quantity > 0 else ''}{plain_decimal(quantity)}"
            for symbol, quantity in sorted(self.quantities.items())
        ]
        return ", ".join([*cash, *units])


def split_since(held: Held, booked: Booked) -> Decimal | None:
    """Return new units per old one, where a split alone is what changed since both last agreed; None: no split.

    Of a symbol of which something was traded since nobody can say it.
    """
    before = booked.before_quantity
    if booked.quantity != before or held.quantity == before:
        return None
    return split_ratio(
        quantity=before,
        unit_cost=booked.before_unit_cost,
        quantity_after=held.quantity,
        unit_cost_after=held.unit_cost,
    )


def difference(
    *, cash: Decimal, expected_cash: Decimal, held: Mapping[str, Held], booked: Mapping[str, Booked]
) -> Difference:
    """Return what the broker's account has beyond the books.

    Args:
        expected_cash: what the books say there is, USD.
        held: what the broker says, by symbol; what it does not name it does not hold.
        booked: what the lots hold, by symbol.
    """
    quantities: dict[str, Decimal] = {}
    value = ZERO
    for symbol in held.keys() | booked.keys():
        theirs = held.get(symbol)
        ours = booked.get(symbol, Booked(ZERO, ZERO))
        more = (theirs.quantity if theirs else ZERO) - ours.quantity
        mark = theirs.mark if theirs else (ours.cost / ours.quantity if ours.quantity else ZERO)
        if abs(more * mark) > CENT or (more != 0 and mark == 0):
            quantities[symbol] = more
            value += more * mark
    return Difference((cash - expected_cash).quantize(MONEY), quantities, value)
