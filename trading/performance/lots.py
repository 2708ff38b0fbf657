"""Keep the lots: count what was booked in the transaction that books it, or all of a symbol anew.

One process at a time counts a symbol (its ``symbol_books`` row is locked). What comes in order is added to the open
lots; what comes late, or stood in by an estimate, has its symbol counted anew. Both give the same rows.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import F

from trading.core.statements.message import Message
from trading.core.statements.new_rows import new
from trading.core.statements.together import read_together
from trading.core.statements.written_rows import insert_rows, update_from_values
from trading.domain.performance import lots as domain
from trading.domain.performance.exit_reasons import ExitReason
from trading.domain.symbols import is_coin
from trading.models import AccountActivity, AIDecision, Lot, RoundTrip, SymbolBook, Trade
from trading.performance.entries import OF_LOTS, SymbolEntries, all_entries, entry_of, new_entries, trades_of

NAMES = UUID("6f1d1a52-52c6-4d53-9c1e-5f0f0d6f8f27")
LOT_CHANGES = ["quantity", "price", "remaining", "cost", "fee"]
TOTALS = [
    "lots_made",
    "closes_made",
    "executions",
    "quantity",
    "cost",
    "realised_pnl",
    "cash_flow",
    "fees",
    "moved",
    "last_at",
    "last_noted_at",
    "last_key",
    "is_estimated",
]
DECIDED = (
    "strategy_id",
    "strategy_version",
    "model",
    "model_call__prompt_version",
    "confidence",
)
BATCH = 1_000


@dataclass(slots=True)
class _Change:
    """What counting did to one symbol, not written yet."""

    book: SymbolBook
    ledger: domain.Ledger
    opened: list[domain.Lot]
    changed: dict[int, domain.Lot]
    closes: list[domain.Close]
    side_of: dict[int, str]
    order_of: dict[int, UUID | None]
    opened_at: dict[int, Any]
    replaces_rows: bool = False


def book_lots(order_ids: Collection[UUID]) -> None:
    """Count what these orders' trades have beyond what is in the lots; call in the transaction that books them."""
    fresh = Trade.objects.filter(order__in=order_ids, quantity__gt=F("lots_quantity"))
    symbols = set(fresh.values_list("symbol", flat=True))
    if not symbols:
        return
    books = _locked_books(symbols)
    trades = trades_of(fresh.filter(symbol__in=symbols))  # as they stand now that nobody else counts them
    news = new_entries(trades)
    _count(books, news, grown=[trade.order_id for trade in trades if trade.counted])
    Trade.objects.filter(order__in=[trade.order_id for trade in trades]).update(lots_quantity=F("quantity"))


def book_activities(activities: Sequence[AccountActivity]) -> None:
    """Store activities and count them; call in a transaction."""
    AccountActivity.objects.bulk_create(activities)
    books = _locked_books({activity.symbol for activity in activities})
    news: dict[str, SymbolEntries] = {}
    for activity in activities:
        news.setdefault(activity.symbol, SymbolEntries([], False)).entries.append(entry_of(activity))
    _count(books, news)


def rebuild(symbols: Iterable[str] | None = None) -> list[str]:
    """Count symbols anew from fills and activities; return those whose stored lots were not equal to that.

    Args:
        symbols: all that were ever traded or adopted, where not said.
    """
    if symbols is None:
        symbols = {
            *Trade.objects.order_by().values_list("symbol", flat=True).distinct(),
            *AccountActivity.objects.filter(kind__in=OF_LOTS).order_by().values_list("symbol", flat=True),
        }
    unequal = []
    for symbol in sorted(symbols):
        with transaction.atomic():
            books = _locked_books({symbol})
            before = _content(symbol)
            _write([_anew(books[symbol], all_entries([symbol])[symbol])])
            # Those alone that are behind: who books another holds its row, and waits for this symbol.
            behind = Trade.objects.filter(symbol=symbol, quantity__gt=F("lots_quantity"))
            behind.update(lots_quantity=F("quantity"))
            if _content(symbol) != before:
                unequal.append(symbol)
    return unequal


def is_behind() -> bool:
    """Return whether a trade is not in the lots: one that was booked before there were any."""
    return Trade.objects.filter(quantity__gt=F("lots_quantity")).exists()


def catch_up() -> None:
    """Count the symbols of trades that are not in the lots."""
    rebuild(set(Trade.objects.filter(quantity__gt=F("lots_quantity")).values_list("symbol", flat=True)))


def fills_were_added(symbol: str) -> None:
    """Count a symbol anew whose fills were completed after their trade was booked; call in that transaction."""
    if SymbolBook.objects.filter(symbol=symbol, is_estimated=True).exists():
        rebuild([symbol])


def _locked_books(symbols: Collection[str]) -> dict[str, SymbolBook]:
    message = Message()
    message.insert([new(SymbolBook, symbol=each) for each in sorted(symbols)], or_ignore=True)
    rows = SymbolBook.objects.select_for_update().filter(symbol__in=symbols).order_by("symbol")
    return {row.symbol: row for row in read_together({"books": rows}, after=message)["books"]}


def _count(
    books: Mapping[str, SymbolBook], news: Mapping[str, SymbolEntries], grown: Collection[UUID] = ()
) -> None:
    late = [symbol for symbol, fresh in news.items() if not _is_next(books[symbol], fresh)]
    anew = all_entries(late) if late else {}
    held = _open_lots([symbol for symbol in news if symbol not in anew])
    changes = [
        _anew(books[symbol], anew[symbol])
        if symbol in anew
        else _added(books[symbol], fresh, held.get(symbol, []))
        for symbol, fresh in news.items()
    ]
    _write(changes, grown)


def _is_next(book: SymbolBook, fresh: SymbolEntries) -> bool:
    """Return whether the entries may be added to the open lots as they are."""
    if book.is_estimated or fresh.is_estimated or book.last_at is None or book.last_noted_at is None:
        return False  # of a symbol that is new here, trades may have been booked before there were lots
    return all(entry.place > (book.last_at, book.last_noted_at, book.last_key) for entry in fresh.entries)


def _open_lots(symbols: Collection[str]) -> dict[str, list[Lot]]:
    found: dict[str, list[Lot]] = {}
    if symbols:
        for lot in Lot.objects.filter(symbol__in=symbols, remaining__gt=0).order_by("symbol", "number"):
            found.setdefault(lot.symbol, []).append(lot)
    return found


def _anew(book: SymbolBook, all_of_it: SymbolEntries) -> _Change:
    ledger = domain.Ledger(is_coin=is_coin(book.symbol))
    had_rows = book.lots_made > 0
    change = _Change(book, ledger, [], {}, [], {}, {}, {}, replaces_rows=had_rows)
    _apply(change, all_of_it)
    return change


def _added(book: SymbolBook, fresh: SymbolEntries, held: Sequence[Lot]) -> _Change:
    ledger = domain.Ledger(
        is_coin=is_coin(book.symbol),
        lots=[_as_counted(lot) for lot in held],
        lots_made=book.lots_made,
        closes_made=book.closes_made,
        executions=book.executions,
        realised=book.realised_pnl,
        flow=book.cash_flow,
        fees=book.fees,
        moved=book.moved,
        last=(book.last_at, book.last_noted_at, book.last_key)
        if book.last_at and book.last_noted_at
        else None,
    )
    change = _Change(book, ledger, [], {}, [], {}, {}, {})
    for lot in ledger.lots:
        _remember(change, lot)
    _apply(change, fresh)
    return change


def _as_counted(lot: Lot) -> domain.Lot:
    return domain.Lot(
        number=lot.number,
        key=lot.key,
        order_id=lot.order_id,
        opened_at=lot.opened_at,
        is_long=lot.side == "long",
        quantity=lot.quantity,
        price=lot.price,
        remaining=lot.remaining,
        cost=lot.cost,
        fee=lot.fee,
    )


def _remember(change: _Change, lot: domain.Lot) -> None:
    change.side_of[lot.number] = "long" if lot.is_long else "short"
    change.order_of[lot.number], change.opened_at[lot.number] = lot.order_id, lot.opened_at


def _apply(change: _Change, entries: SymbolEntries) -> None:
    for entry in sorted(entries.entries, key=lambda each: each.place):
        applied = change.ledger.apply(entry)
        if applied.opened is not None:
            change.opened.append(applied.opened)
            _remember(change, applied.opened)
        change.changed |= {lot.number: lot for lot in applied.changed}
        change.closes += applied.closes
    ledger, book = change.ledger, change.book
    book.lots_made, book.closes_made, book.executions = (
        ledger.lots_made,
        ledger.closes_made,
        ledger.executions,
    )
    book.quantity, book.cost, book.realised_pnl = ledger.quantity, ledger.cost, ledger.realised
    book.cash_flow, book.fees, book.moved = ledger.flow, ledger.fees, ledger.moved
    book.is_estimated = entries.is_estimated
    if ledger.last is not None:
        book.last_at, book.last_noted_at, book.last_key = ledger.last


def _write(changes: Sequence[_Change], grown: Collection[UUID] = ()) -> None:
    replaced = [change.book.symbol for change in changes if change.replaces_rows]
    if replaced:
        RoundTrip.objects.filter(symbol__in=replaced).delete()
        Lot.objects.filter(symbol__in=replaced).delete()
    order_ids = {order_id for change in changes for order_id in change.order_of.values() if order_id}
    order_ids |= {close.order_id for change in changes for close in change.closes if close.order_id}
    decisions = _decisions_of(order_ids)
    opened = [_lot_row(change, lot, decisions) for change in changes for lot in change.opened]
    for start in range(0, len(opened), BATCH):
        insert_rows(opened[start : start + BATCH])
    moved = [
        (_name(change.book.symbol, "lot", lot.number), {name: getattr(lot, name) for name in LOT_CHANGES})
        for change in changes
        for lot in change.changed.values()
        if lot.number not in {each.number for each in change.opened}
    ]
    for start in range(0, len(moved), BATCH):
        update_from_values(Lot, moved[start : start + BATCH])
    reasons = _reasons_of({close.order_id for change in changes for close in change.closes if close.order_id})
    trips = [_trip_row(change, close, decisions, reasons) for change in changes for close in change.closes]
    _mark_alone(trips, grown)
    for start in range(0, len(trips), BATCH):
        insert_rows(trips[start : start + BATCH])
    books = [
        (change.book.symbol, {name: getattr(change.book, name) for name in TOTALS}) for change in changes
    ]
    for start in range(0, len(books), BATCH):
        update_from_values(SymbolBook, books[start : start + BATCH])


def _mark_alone(trips: Iterable[RoundTrip], grown: Collection[UUID]) -> None:
    """Say of round trips to be written which is a trade alone.

    Args:
        grown: the orders whose earlier executions have round trips already.
    """
    closed = [trip for trip in trips if trip.exit_order_id]
    counts = Counter(_trade_of(trip) for trip in closed)
    if grown:
        earlier = list(RoundTrip.objects.filter(exit_order__in=grown))
        counts.update(_trade_of(trip) for trip in earlier)
        joined = [trip.pk for trip in earlier if trip.is_alone and counts[_trade_of(trip)] > 1]
        RoundTrip.objects.filter(pk__in=joined).update(is_alone=False)
    for trip in closed:
        trip.is_alone = counts[_trade_of(trip)] == 1


def _trade_of(trip: RoundTrip) -> tuple[Any, ...]:
    """Return which trade of the statistics it is a part of; the same as in sums.py."""
    lot = trip.lot_number if trip.entry_order_id is None else None
    return trip.entry_order_id, trip.exit_order_id, trip.symbol, lot


def _decisions_of(order_ids: Collection[UUID]) -> dict[UUID, tuple[UUID, dict[str, Any]]]:
    """Return the decision of each order that has one, with what it was decided with."""
    found: dict[UUID, tuple[UUID, dict[str, Any]]] = {}
    decided = AIDecision.objects.filter(orders__in=order_ids).order_by()
    for order_id, decision_id, *facts in decided.values_list("orders__pk", "pk", *DECIDED):
        strategy_id, version, model, prompt, confidence = facts
        found[order_id] = (
            decision_id,
            {
                "strategy_id": strategy_id,
                "strategy_version": version,
                "model": model,
                "prompt_version": prompt or "",
                "confidence": confidence,
            },
        )
    return found


def _reasons_of(order_ids: Collection[UUID]) -> dict[UUID, str]:
    if not order_ids:
        return {}
    return dict(Trade.objects.filter(order__in=order_ids).values_list("order_id", "exit_reason"))


def _name(symbol: str, kind: str, number: int) -> UUID:
    """Return the id of a symbol's lot or round trip: the same whenever it is counted."""
    return uuid5(NAMES, f"{symbol}/{kind}/{number}")


def _lot_row(change: _Change, lot: domain.Lot, decisions: Mapping[UUID, tuple[UUID, dict[str, Any]]]) -> Lot:
    decision_id, facts = decisions.get(lot.order_id, (None, {})) if lot.order_id else (None, {})
    return new(
        Lot,
        id=_name(change.book.symbol, "lot", lot.number),
        symbol=change.book.symbol,
        number=lot.number,
        key=lot.key,
        side=change.side_of[lot.number],
        order_id=lot.order_id,
        decision_id=decision_id,
        opened_at=lot.opened_at,
        **{name: getattr(lot, name) for name in LOT_CHANGES},
        **facts,
    )


def _trip_row(
    change: _Change,
    close: domain.Close,
    decisions: Mapping[UUID, tuple[UUID, dict[str, Any]]],
    reasons: Mapping[UUID, str],
) -> RoundTrip:
    entry_order = change.order_of[close.lot]
    decision_id, facts = decisions.get(entry_order, (None, {})) if entry_order else (None, {})
    exit_decision, _ = decisions.get(close.order_id, (None, {})) if close.order_id else (None, {})
    return new(
        RoundTrip,
        id=_name(change.book.symbol, "trip", close.number),
        symbol=change.book.symbol,
        number=close.number,
        lot_number=close.lot,
        key=close.key,
        side=change.side_of[close.lot],
        entry_order_id=entry_order,
        exit_order_id=close.order_id,
        entry_decision_id=decision_id,
        # A leg at the broker is its entry's order: nobody decided that sale.
        exit_decision_id=exit_decision if exit_decision != decision_id else None,
        exit_reason=(reasons.get(close.order_id, "") if close.order_id else "") or ExitReason.UNKNOWN,
        opened_at=change.opened_at[close.lot],
        closed_at=close.closed_at,
        quantity=close.quantity,
        entry_price=close.entry_price,
        exit_price=close.exit_price,
        cost=close.cost,
        proceeds=close.proceeds,
        fees=close.fees,
        realised_pnl=close.realised,
        **facts,
    )


def _content(symbol: str) -> tuple[list[Any], ...]:
    """Return all that is stored of a symbol's lots, to be compared."""
    books = SymbolBook.objects.filter(symbol=symbol).values_list(*TOTALS)
    lots = Lot.objects.filter(symbol=symbol).order_by("number").values_list()
    trips = RoundTrip.objects.filter(symbol=symbol).order_by("number").values_list()
    return (list(books), list(lots), list(trips))
