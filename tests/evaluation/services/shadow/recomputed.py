"""A shadow's book again, out of decisions, snapshots and sums alone: none of the ledger's code is used."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from evaluation.models import ShadowBook, ShadowFill
from trading.models import MarketSnapshot

STOCK, COIN = (1, 3, 0), (4, 3, 25)  # bps: half the spread, slippage at most, fee


@dataclass(slots=True)
class Recomputed:
    """What was found: how many fills and points were compared, the largest difference in USD, and what is wrong."""

    fills: int = 0
    points: int = 0
    largest: Fraction = Fraction(0)
    problems: list[str] = field(default_factory=list)


def recomputed(book: ShadowBook) -> Recomputed:
    """Compare every point of a book with what its fills make of the prices that cycles saw."""
    found = Recomputed()
    cash, units = Fraction(book.start_equity), defaultdict[str, Fraction](Fraction)
    prices: dict[str, Fraction] = {}
    by_cycle = defaultdict[int, list[ShadowFill]](list)
    for fill in book.fills.select_related("decision"):
        by_cycle[fill.cycle_number].append(fill)
    for point in book.points.order_by("cycle_number"):
        seen = {row.symbol: row for row in MarketSnapshot.objects.filter(cycle_id=point.cycle_id)}
        prices |= {symbol: Fraction(row.price) for symbol, row in seen.items()}
        for fill in by_cycle[point.cycle_number]:
            found.fills += 1
            found.problems += _wrong_with(fill, seen[fill.symbol], book)
            sign, fee = (1 if fill.side == "buy" else -1), _figures(fill.symbol)[2]
            notional = Fraction(fill.price) * Fraction(fill.quantity)
            cash -= sign * notional + notional * Fraction(fee, 10_000)
            units[fill.symbol] += sign * Fraction(fill.quantity)
        worth = cash + sum(count * prices[symbol] for symbol, count in units.items() if count)
        found.largest = max(
            found.largest, abs(Fraction(point.equity) - worth), abs(Fraction(point.cash) - cash)
        )
        found.points += 1
        held = sum(1 for count in units.values() if count)
        if held != point.positions or cash < 0 or min(units.values(), default=Fraction(0)) < 0:
            found.problems.append(f"{point}: {held} positions, {float(cash):.2f} USD")
    return found


def _wrong_with(fill: ShadowFill, seen: MarketSnapshot, book: ShadowBook) -> list[str]:
    problems = []
    decided_at = seen.quoted_at - timedelta(microseconds=1)
    if fill.decision is not None:
        decided_at = fill.decision.decided_at
        if not fill.at == seen.quoted_at > decided_at >= fill.decision.as_of:
            problems.append(f"{fill}: its price of {fill.at} is not later than {decided_at}")
        if fill.quantity > fill.decision.quantity:
            problems.append(f"{fill}: more than the gate let through")
    half, slip, _ = _figures(fill.symbol)
    worse = (half + slip * _chance(book, fill, decided_at, seen.quoted_at)) / 10_000
    price = Fraction(seen.price) * (1 + worse if fill.side == "buy" else 1 - worse)
    if abs(price - Fraction(fill.price)) > Fraction(1, 10**8):
        problems.append(f"{fill}: at {fill.price}, expected {float(price):.8f}")
    return problems


def _figures(symbol: str) -> tuple[int, int, int]:
    return COIN if "/" in symbol else STOCK


def _chance(book: ShadowBook, fill: ShadowFill, decided_at: datetime, at: datetime) -> Fraction:
    seed = book.pk.int % 2**63
    text = "\x1f".join([str(seed), fill.symbol, fill.side, str(decided_at), str(at)])
    return Fraction(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"), 2**64)


CENT = Decimal("0.01")
