"""The book of a strategy that only says what it would do: a ledger without an account, pure.

What it decides fills at the next prices it could have had, never at those it saw: otherwise it would trade without
the delay that the account pays. Money, prices and quantities are Decimal; USD.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from evaluation.errors import EvaluationError

ZERO = Decimal(0)
_BPS = Decimal(10_000)
PRICE_PLACES = Decimal("0.00000001")
QUANTITY_PLACES = Decimal("0.000000001")
_CHANCES = 2**64


@dataclass(frozen=True, slots=True)
class Costs:
    """What a fill is worse by than the price, in bps of it.

    Args:
        half_spread_bps: always.
        slippage_bps: up to so much more, by the seed; the venue's own rule.
        fee_bps: of the notional, in cash; coins 25, stocks 0.
    """

    half_spread_bps: Decimal = Decimal(1)
    slippage_bps: Decimal = Decimal(3)
    fee_bps: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order that the gate let through and that waits for the next price.

    Args:
        decided_at: market time of the prices the decision saw.
        quantity: base units, positive.
    """

    decision: str
    symbol: str
    side: str
    quantity: Decimal
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Priced:
    """A symbol's price at a moment of market time."""

    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class ShadowFill:
    """What an accepted order became: price after costs, fees in cash; ``realised`` of what it closed, after fees."""

    decision: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fees: Decimal
    realised: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of a symbol, and what it cost with fees."""

    quantity: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class ShadowBook:
    """Cash, holdings and orders that wait; long only, as the account is.

    ``realised`` is what all closed parts earned after fees: cash and cost together change by it alone.
    """

    cash: Decimal
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    waiting: tuple[Accepted, ...] = ()
    realised: Decimal = ZERO

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Return cash and what is held at these prices; what has none is worth its cost."""
        worth = (
            holding.quantity * prices[symbol] if symbol in prices else holding.cost
            for symbol, holding in self.holdings.items()
        )
        return self.cash + sum(worth, ZERO)

    def exposures(self, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Return USD by symbol, as the gate's risk book takes it."""
        return {s: h.quantity * prices[s] if s in prices else h.cost for s, h in self.holdings.items()}

    def held(self, symbol: str) -> Decimal:
        """Return base units held."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else ZERO


def accept(book: ShadowBook, order: Accepted) -> ShadowBook:
    """Return the book with an order that waits.

    Raises:
        EvaluationError: no positive quantity, another side, or one of the symbol waits already.
    """
    if order.quantity <= 0 or order.side not in ("buy", "sell"):
        raise EvaluationError(f"an order buys or sells something, was {order.side} {order.quantity}")
    if any(each.symbol == order.symbol for each in book.waiting):
        raise EvaluationError(f"an order of {order.symbol} waits already")
    return replace(book, waiting=(*book.waiting, order))


def fill_waiting(
    book: ShadowBook, prices: Mapping[str, Priced], *, costs: Mapping[str, Costs], seed: int
) -> tuple[ShadowBook, tuple[ShadowFill, ...]]:
    """Return the book after a snapshot, and what filled; sells first, whose cash the purchases may use.

    An order fills at the first price later than the one it was decided at; without one it goes on waiting. A purchase
    is cut to the cash there is, a sale to what is held; what is cut to nothing is given up.

    Args:
        prices: of this snapshot, by symbol.
        costs: by symbol.
    """
    fills: list[ShadowFill] = []
    left: list[Accepted] = []
    for order in sorted(book.waiting, key=lambda each: (each.side == "buy", each.symbol)):
        now = prices.get(order.symbol)
        if now is None or now.price <= 0 or now.at <= order.decided_at:
            left.append(order)
            continue
        book, fill = _filled(book, order, now, costs[order.symbol], seed)
        if fill is not None:
            fills.append(fill)
    return replace(book, waiting=tuple(left)), tuple(fills)


def fill_price(order: Accepted, now: Priced, costs: Costs, *, seed: int) -> Decimal:
    """Return the price after half the spread and slippage, both against the order."""
    chance = _chance(seed, order.symbol, order.side, order.decided_at, now.at)
    worse = (costs.half_spread_bps + costs.slippage_bps * chance) / _BPS
    sign = 1 if order.side == "buy" else -1
    return (now.price * (1 + sign * worse)).quantize(PRICE_PLACES)


def _chance(seed: int, *parts: object) -> Decimal:
    """Return a number in [0, 1) that depends on its arguments alone: the same order slips the same again."""
    text = "\x1f".join(map(str, (seed, *parts)))
    drawn = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    return Decimal(drawn) / _CHANCES


def _filled(
    book: ShadowBook, order: Accepted, now: Priced, costs: Costs, seed: int
) -> tuple[ShadowBook, ShadowFill | None]:
    price = fill_price(order, now, costs, seed=seed)
    fee = costs.fee_bps / _BPS
    before = book.holdings.get(order.symbol, Holding(ZERO, ZERO))
    if order.side == "sell":
        quantity = min(order.quantity, before.quantity)
    else:
        affordable = (book.cash / (price * (1 + fee))).quantize(QUANTITY_PLACES, rounding=ROUND_DOWN)
        quantity = min(order.quantity, max(affordable, ZERO))
    if quantity <= 0:
        return book, None
    notional = price * quantity
    fees = notional * fee
    if order.side == "buy":
        held = Holding(before.quantity + quantity, before.cost + notional + fees)
        cash, realised = book.cash - notional - fees, ZERO
    else:
        gone = before.cost if quantity == before.quantity else before.cost * quantity / before.quantity
        held = Holding(before.quantity - quantity, before.cost - gone)
        cash, realised = book.cash + notional - fees, notional - fees - gone
    holdings = {symbol: each for symbol, each in book.holdings.items() if symbol != order.symbol}
    if held.quantity > 0:
        holdings[order.symbol] = held
    fill = ShadowFill(order.decision, order.symbol, order.side, quantity, price, fees, realised, now.at)
    return ShadowBook(cash, holdings, book.waiting, book.realised + realised), fill


def split(book: ShadowBook, symbol: str, *, ratio: Decimal) -> ShadowBook:
    """Return the book after a split: ``ratio`` new units for each old one, cost unchanged; what waits, too.

    Raises:
        EvaluationError: the ratio is not positive.
    """
    if ratio <= 0:
        raise EvaluationError(f"a split's ratio is positive, was {ratio}")
    holdings = dict(book.holdings)
    if symbol in holdings:
        holdings[symbol] = replace(holdings[symbol], quantity=holdings[symbol].quantity * ratio)
    waiting = tuple(
        replace(each, quantity=each.quantity * ratio) if each.symbol == symbol else each
        for each in book.waiting
    )
    return replace(book, holdings=holdings, waiting=waiting)
