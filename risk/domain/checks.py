"""Whether the gate's numbers are numbers: what is not finite or outside its bounds is named."""

from collections.abc import Iterator
from decimal import Decimal

from risk.domain.numbers import HUNDRED
from risk.domain.types import AssetRules, LimitValues, OrderIntent, RiskBook

# No column of ours holds more, or finer: beyond them a number is a mistake, and arithmetic could overflow.
PERCENTS = (
    "max_position_percent",
    "max_exposure_percent",
    "max_daily_loss_percent",
    "max_position_risk_percent",
    "max_open_risk_percent",
)
LARGEST = Decimal("1e24")
SMALLEST = Decimal("1e-12")


def is_money(equity: Decimal, start: Decimal, buying_power: Decimal) -> bool:
    """Return whether the account's figures can be decided upon: finite, the two equities positive."""
    bounded = within(buying_power, -LARGEST, LARGEST)
    return bounded and all(within(amount, SMALLEST, LARGEST) for amount in (equity, start))


def invalid_figures(intent: OrderIntent, book: RiskBook, limits: LimitValues | None) -> dict[str, str]:
    """Return the numbers nothing may be concluded from, by name; empty when all can be used.

    A price of nothing, its age and the account's money are not here: the gate has reasons of their own.
    """
    found = [*_of_intent(intent), *_of_book(intent, book)]
    if intent.rules is not None:
        found += _of_rules(intent.rules)
    if limits is not None and not intent.reducing:
        found += _of_limits(limits)
    return {name: str(value) for name, value in found}


def within(value: Decimal, low: Decimal | int, high: Decimal | int) -> bool:
    """Return whether a number is finite and between two others, both inclusive."""
    return value.is_finite() and low <= value <= high


def _of_intent(intent: OrderIntent) -> Iterator[tuple[str, object]]:
    for name in ("confidence", "min_confidence") if intent.needs_confidence else ():
        if not within(getattr(intent, name), 0, 1):
            yield name, getattr(intent, name)
    if not (within(intent.size_percent, 0, HUNDRED) and intent.size_percent > 0):
        yield "size_percent", intent.size_percent
    if intent.stop_share is not None and not within(intent.stop_share, SMALLEST, 1):
        yield "stop_share", intent.stop_share
    price = intent.price
    if price is not None and price.is_finite() and price > 0 and not within(price, SMALLEST, LARGEST):
        yield "price", price


def _of_book(intent: OrderIntent, book: RiskBook) -> Iterator[tuple[str, object]]:
    if intent.reducing:
        if not within(book.held_quantity, -LARGEST, LARGEST):
            yield "held_quantity", book.held_quantity
        return
    for kind, amounts in (
        ("exposure", book.exposures),
        ("reserved", book.reserved),
        ("open_risk", book.open_risk),
    ):
        # Spelled out, for each order that is judged looks at all of the book.
        for symbol, amount in amounts.items():
            if not (amount.is_finite() and 0 <= amount <= LARGEST):
                yield f"{kind} {symbol}", amount
    unspent = book.not_in_buying_power
    if unspent is not None and not within(unspent, 0, LARGEST):
        yield "not_in_buying_power", unspent


def _of_rules(rules: AssetRules) -> Iterator[tuple[str, object]]:
    if not within(rules.quantity_step, SMALLEST, LARGEST):
        yield "quantity_step", rules.quantity_step
    for name in ("min_quantity", "min_notional"):
        value: Decimal = getattr(rules, name)
        if not within(value, 0, LARGEST):
            yield name, value


def _of_limits(limits: LimitValues) -> Iterator[tuple[str, object]]:
    for name in PERCENTS:
        value: Decimal = getattr(limits, name)
        if not within(value, 0, HUNDRED):
            yield name, value
