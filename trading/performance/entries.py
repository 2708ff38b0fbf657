"""What happened to symbols, read from fills, trades and activities in the form that lots are counted from.

Of an order that counts which is in its trade: the fills in their order up to the trade's quantity, and where fewer are
on record, the trade's own figures for the rest.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from risk.domain.numbers import ZERO
from trading.domain.performance.lots import PRICE, Entry, Kind
from trading.models import AccountActivity, Trade

REST = "rest:"
_FILLS = """
SELECT order_id, executed_at, recorded_at, execution_id, quantity, price, side FROM fills
WHERE order_id = ANY(%s::uuid[]) ORDER BY executed_at, recorded_at, execution_id
"""
OF_LOTS = (Kind.ADOPTED.value, Kind.SPLIT.value)  # the activities that change what is held


@dataclass(frozen=True, slots=True)
class BookedTrade:
    """A trade as lots are counted from it; ``counted`` is how much of it is in the lots, base units."""

    order_id: UUID
    symbol: str
    is_buy: bool
    quantity: Decimal
    price: Decimal
    counted: Decimal
    traded_at: datetime
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class SymbolEntries:
    """The entries of a symbol; ``is_estimated``: an execution of them is not on record."""

    entries: list[Entry]
    is_estimated: bool


def trades_of(rows: "QuerySet[Trade]") -> list[BookedTrade]:
    """Read trades in the form needed here."""
    found = rows.order_by().values_list(
        "order_id", "symbol", "side", "quantity", "price", "lots_quantity", "traded_at", "booked_at"
    )
    return [
        BookedTrade(order_id, symbol, side == "buy", quantity, price, counted, traded_at, booked_at)
        for order_id, symbol, side, quantity, price, counted, traded_at, booked_at in found
    ]


def all_entries(symbols: Collection[str]) -> dict[str, SymbolEntries]:
    """Return everything that happened to each symbol."""
    trades = trades_of(Trade.objects.filter(symbol__in=symbols))
    found = new_entries(trades, counted=False)
    for activity in AccountActivity.objects.filter(symbol__in=symbols, kind__in=OF_LOTS):
        known = found.setdefault(activity.symbol, SymbolEntries([], False))
        known.entries.append(entry_of(activity))
    return {symbol: found.get(symbol, SymbolEntries([], False)) for symbol in symbols}


def new_entries(trades: Iterable[BookedTrade], *, counted: bool = True) -> dict[str, SymbolEntries]:
    """Return the executions of these trades by symbol, oldest first.

    Args:
        counted: leave out what is in the lots already.
    """
    trades = list(trades)
    fills = _fills_of([trade.order_id for trade in trades])
    found: dict[str, SymbolEntries] = {}
    for trade in trades:
        entries, is_estimated = _entries_of(
            trade, fills.get(trade.order_id, []), trade.counted if counted else ZERO
        )
        known = found.get(trade.symbol)
        before = known.entries if known else []
        estimated = is_estimated or (known is not None and known.is_estimated)
        found[trade.symbol] = SymbolEntries([*before, *entries], estimated)
    for known in found.values():
        known.entries.sort(key=lambda entry: entry.place)
    return found


def entry_of(activity: AccountActivity) -> Entry:
    """Return an activity as lots are counted from it."""
    return Entry(
        at=activity.happened_at,
        noted_at=activity.noted_at,
        key=activity.key,
        kind=Kind(activity.kind),
        quantity=activity.quantity,
        price=activity.price,
    )


def _fills_of(order_ids: Collection[UUID]) -> Mapping[UUID, list[Entry]]:
    found: dict[UUID, list[Entry]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_FILLS, [list(order_ids)])
        rows = cursor.fetchall()
    for order_id, at, noted_at, key, quantity, price, side in rows:
        entry = Entry(at, noted_at, key, Kind.EXECUTION, quantity, price, side == "buy", order_id)
        found.setdefault(order_id, []).append(entry)
    return found


def _entries_of(trade: BookedTrade, fills: Iterable[Entry], skip: Decimal) -> tuple[list[Entry], bool]:
    """Return a trade's executions beyond the first ``skip`` base units, and whether one of them had to be made up."""
    entries: list[Entry] = []
    so_far, spent = ZERO, ZERO
    for fill in fills:
        quantity = min(fill.quantity, trade.quantity - so_far)
        if quantity <= 0:
            break
        fresh = min(quantity, so_far + quantity - skip)
        so_far, spent = so_far + quantity, spent + quantity * fill.price
        if fresh > 0:
            entries.append(
                Entry(
                    fill.at, fill.noted_at, fill.key, fill.kind, fresh, fill.price, fill.is_buy, fill.order_id
                )
            )
    rest = trade.quantity - so_far
    if rest <= 0:
        return entries, False
    price = _rest_price(trade, rest, spent)
    key = f"{REST}{trade.order_id}"
    fresh = min(rest, trade.quantity - skip)
    if fresh > 0:
        entries.append(
            Entry(
                trade.traded_at,
                trade.booked_at,
                key,
                Kind.EXECUTION,
                fresh,
                price,
                trade.is_buy,
                trade.order_id,
            )
        )
    return entries, True


def _rest_price(trade: BookedTrade, rest: Decimal, spent: Decimal) -> Decimal:
    """Return the price of what is not on record, so that all together has the trade's; the trade's where it cannot."""
    price = ((trade.quantity * trade.price - spent) / rest).quantize(PRICE, ROUND_HALF_UP)
    return price if price > 0 else trade.price
