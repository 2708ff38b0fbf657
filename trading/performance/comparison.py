"""Hold the books against the broker's account as last synced: cash and quantities, to the cent.

Equity is cash and what is held. Cash changes by executions and by what the broker books by itself (``broker_cash``),
what is held is in lots: where both agree with the broker, every cent of a change of equity has a name (docs/metrics.md,
"Reconciliation"). What differs is told once, with its amount, and is part of the account from then on: cash as
unexplained, units as lots of unknown origin at the broker's cost. A split is known by its units and costs, and changes
no money.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from risk.domain.numbers import ZERO, plain_decimal
from trading.core import set_aside, transitions
from trading.core.statements.exist_together import exist_together
from trading.core.statements.message import Message
from trading.core.statements.together import Select, first, read_together
from trading.domain.performance.agreement import CENT, Booked, Difference, Held, difference, split_since
from trading.domain.performance.broker_cash import told_before
from trading.market.exchange_calendar import NEW_YORK
from trading.models import (
    AccountActivity,
    BookCheck,
    EquitySnapshot,
    Order,
    Position,
    Saga,
    SymbolBook,
)
from trading.performance import broker_cash, lots

log = structlog.get_logger(__name__)
AGGREGATE = "books"
_TOTALS = Select(
    "SELECT (SELECT sum(cash_flow) FROM symbol_books) AS flow,"
    " (SELECT sum(executions) FROM symbol_books) AS executions,"
    " (SELECT sum(amount) FROM account_activities) AS moved"
)


@dataclass(frozen=True, slots=True)
class _Account:
    """The broker's account as one sync stored it, beside the books at that moment.

    ``moved`` is what the broker has booked by itself since the comparison began, USD; ``rows`` are the books' own.
    """

    snapshot: EquitySnapshot
    sequence: int
    held: Mapping[str, Held]
    booked: Mapping[str, Booked]
    flow: Decimal
    executions: int
    moved: Decimal
    rows: Sequence[SymbolBook]


class _Ask:
    """What the broker has booked by itself has to be known first."""


def begin_comparison() -> None:
    """Begin to compare with the first sync: what is held then and no execution explains is adopted silently."""
    if not BookCheck.objects.exists():
        compare_books()


def compare_books(cycle_id: UUID | None = None) -> Difference | None:
    """Compare with the sync that is stored; tell what differs for the second time; return what differs.

    Returns:
        None where it cannot be said now: an order is under way, a fill is not booked or not in the sync, a position
        could not be read, this sync was compared already, or another process is at it.
    """
    try:
        found = _compared(cycle_id, None)
        # The broker is asked outside of the transaction; the account is compared as it is stored then.
        return compare_with(broker_cash.ask(), cycle_id) if isinstance(found, _Ask) else found
    except (DatabaseError, ArithmeticError) as error:  # trading goes on, whatever a row says
        log.warning("books_not_compared", error=str(error).strip())
        return None


def compare_with(told: broker_cash.Told, cycle_id: UUID | None = None) -> Difference | None:
    """Compare by what the broker has said that it booked; else as ``compare_books``."""
    found = _compared(cycle_id, told)
    assert not isinstance(found, _Ask)  # noqa: S101 - only one who was told nothing wants to ask
    return found


def _compared(cycle_id: UUID | None, told: broker_cash.Told | None) -> "Difference | _Ask | None":
    with transaction.atomic():
        check = BookCheck.objects.select_for_update(nowait=True).filter(pk=1).first()
        if check is None and lots.is_behind():
            lots.catch_up()
        account = _settled_account(check)
        if account is None:
            return None
        if check is None:
            _begin(account)
            return Difference()
        if _book_splits(check, account):
            account = _settled_account(check) or account
        if told is None and (check.activities_read_on != _session_of(account) or _difference(check, account)):
            return _Ask()
        if told is not None:
            account = _take_cash(check, account, told)
        return _judge(check, account, cycle_id)


def _session_of(account: _Account) -> date:
    return account.snapshot.market_time.astimezone(NEW_YORK).date()


def _difference(check: BookCheck, account: _Account) -> Difference:
    return difference(
        cash=account.snapshot.cash,
        expected_cash=check.opening_cash
        + account.flow
        + account.moved
        + check.unexplained_cash
        + check.rounding,
        held=account.held,
        booked=account.booked,
    )


def _take_cash(check: BookCheck, account: _Account, told: broker_cash.Told) -> _Account:
    """Book the cash that is new, and return the account with it.

    What of it was taken in as unexplained before is explained now.
    """
    gap = _difference(check, account).cash
    fresh = broker_cash.book_cash(told.activities, since=check.opened_at)
    if told.is_read:
        check.activities_read_on = _session_of(account)
    amount = sum((row.amount for row in fresh), ZERO)
    late = told_before(gap=gap, fresh=amount, unexplained=check.unexplained_cash, cent=CENT)
    check.unexplained_cash -= late
    unknown = [row for row in fresh if row.kind == AccountActivity.Kind.OTHER]
    if unknown:
        _tell_unknown(unknown, account)
    moved = AccountActivity.objects.aggregate(moved=Sum("amount"))["moved"] or ZERO
    return replace(account, moved=moved)


def _settled_account(check: BookCheck | None) -> _Account | None:
    """Read account and books, all at one moment; None where they cannot be compared."""
    since = check.checked_sequence if check else 0
    positions, snapshots = Position.objects.all(), EquitySnapshot.objects.last_synced()
    is_booked = ~Q(quantity=0, cost=0) | Q(symbol__in=positions.order_by().values("symbol"))
    under_way = _under_way(since, Subquery(snapshots.values("sync_sequence")))
    read = read_together(
        {
            "money": snapshots,
            "unclear": set_aside.unclear_rows(),
            **{f"under_way_{number}": rows.values("pk")[:1] for number, rows in enumerate(under_way)},
            "positions": positions,
            "books": SymbolBook.objects.filter(is_booked),
            "totals": _TOTALS,
        }
    )
    snapshot = first(read["money"])
    if snapshot is None or snapshot.sync_sequence is None or snapshot.sync_sequence <= since:
        return None
    if read["unclear"] or any(read[f"under_way_{number}"] for number in range(len(under_way))):
        return None
    (totals,) = read["totals"]
    return _Account(
        snapshot,
        snapshot.sync_sequence,
        held={row.symbol: _held(row) for row in read["positions"]},
        booked={row.symbol: _booked(row) for row in read["books"] if row.quantity or row.cost},
        flow=Decimal(totals["flow"] or 0),
        executions=int(totals["executions"] or 0),
        moved=Decimal(totals["moved"] or 0),
        rows=read["books"],
    )


def is_under_way(since: int, sequence: int) -> bool:
    """Return whether a fill may be in the account or in the books, and not in the other.

    Args:
        since: an earlier sync by whose comparison all that had ended before was in both.
        sequence: the sync that the account was stored by.
    """
    return any(exist_together(*_under_way(since, sequence)))


def _under_way(since: int, sequence: "int | Subquery") -> "tuple[QuerySet[Any], ...]":
    """Return the queries of which any finds something where that is so."""
    filled = Order.objects.filter(filled_quantity__gt=0)
    unbooked = Q(trade__isnull=True) | Q(filled_quantity__gt=F("trade__quantity"))
    ended = filled.filter(ended_sequence__gt=since)
    return (
        Saga.objects.open(),
        ended.filter(Q(ended_sequence__gt=sequence) | unbooked),
        filled.open().filter(unbooked),
    )


def _held(row: Position) -> Held:
    price = row.market_value / row.quantity if row.market_value is not None else None
    return Held(row.quantity, row.average_entry_price, price)


def _booked(row: SymbolBook) -> Booked:
    return Booked(row.quantity, row.cost, row.broker_quantity, row.broker_unit_cost)


def _begin(account: _Account) -> None:
    missing = difference(cash=ZERO, expected_cash=ZERO, held=account.held, booked=account.booked)
    # What was held before is older than anything traded in the moment of the first sync.
    _adopt(account, missing, at=account.snapshot.market_time - timedelta(microseconds=1))
    snapshot, now = account.snapshot, timezone.now()
    books = SymbolBook.objects.aggregate(cost=Sum("cost"), realised=Sum("realised_pnl"), moved=Sum("moved"))
    BookCheck.objects.create(
        opened_at=snapshot.market_time,
        opening_equity=snapshot.equity,
        opening_cash=snapshot.cash - account.flow,
        opening_unrealised=snapshot.equity - snapshot.cash - (books["cost"] or ZERO),
        opening_realised=books["realised"] or ZERO,
        opening_moved=books["moved"] or ZERO,
        executions=account.executions,
        checked_sequence=account.sequence,
        checked_market_time=snapshot.market_time,
        checked_at=now,
        agreed_at=now,
        activities_read_on=_session_of(account),
    )
    message = Message()
    _note_broker(account, _books_of(account), message)
    message.say()


def _judge(check: BookCheck, account: _Account, cycle_id: UUID | None) -> Difference:
    found = _difference(check, account)
    now = timezone.now()
    is_confirmed = bool(found) and check.seen == list(found.places)
    if is_confirmed:
        _tell(account, found, cycle_id)
        _adopt(account, found, at=account.snapshot.market_time)
        check.unexplained_cash += found.cash
    elif found:
        log.info("books_differ_once", difference=found.words)
    if not found:
        check.rounding += found.cash  # less than a cent, and never more than that by adding up
        check.agreed_at = now
    check.seen = [] if is_confirmed else list(found.places)
    check.executions = account.executions
    check.checked_sequence = account.sequence
    check.checked_market_time, check.checked_at = account.snapshot.market_time, now
    message = Message()
    columns = [column.attname for column in BookCheck._meta.concrete_fields if not column.primary_key]
    message.update(BookCheck.objects.filter(pk=check.pk), {name: getattr(check, name) for name in columns})
    _note_broker(account, _books_of(account) if is_confirmed else account.rows, message)
    message.say()
    return found


def _tell(account: _Account, found: Difference, cycle_id: UUID | None) -> None:
    reason = f"{found.words}: the account has {found.amount:+f} USD that no execution explains"
    log.warning("books_differ", difference=found.words, amount=str(found.amount))
    cash = found.cash if "cash" in found.places else ZERO
    _append(account, reason, found.amount, cash, sorted(found.quantities), cycle_id)


def _tell_unknown(rows: Sequence[AccountActivity], account: _Account) -> None:
    """Tell of cash that the broker has booked under a word that is not known here."""
    amount = sum((row.amount for row in rows), ZERO)
    words = "; ".join(
        f"{row.broker_kind} {row.amount:+f} USD ({row.description or row.symbol})" for row in rows
    )
    reason = f"cash {amount:+f} USD: the broker booked what is not known here: {words}"
    log.warning("books_differ", difference=words, amount=str(amount))
    _append(account, reason, amount, amount, sorted({row.symbol for row in rows if row.symbol}), None)


def _append(
    account: _Account,
    reason: str,
    amount: Decimal,
    cash: Decimal,
    symbols: Sequence[str],
    cycle_id: UUID | None,
) -> None:
    transitions.append_event(
        aggregate_type=AGGREGATE,
        aggregate_id="account",
        event_type="books.differ",
        payload={
            "reason": reason[:500],
            "amount": plain_decimal(amount),
            "cash": plain_decimal(cash),
            "symbols": ", ".join(symbols)[:200],
            "equity": str(account.snapshot.equity),
        },
        cycle_id=cycle_id,
    )


def _adopt(account: _Account, found: Difference, *, at: datetime) -> None:
    """Take what is held, or is gone, into the lots, at the broker's cost."""
    now = timezone.now()
    activities = []
    for symbol, quantity in sorted(found.quantities.items()):
        held = account.held.get(symbol)
        booked = account.booked.get(symbol)
        unit_cost = (
            held.unit_cost
            if held
            else (booked.cost / booked.quantity if booked and booked.quantity else ZERO)
        )
        is_more = held is not None and (quantity > 0) == (held.quantity > 0)
        before = quantity * (held.mark - unit_cost) if held and is_more else ZERO
        activities.append(
            AccountActivity(
                key=f"adopted:{symbol}:{account.sequence}",
                kind=AccountActivity.Kind.ADOPTED,
                symbol=symbol,
                quantity=quantity,
                price=abs(unit_cost),
                unrealised_before=before,
                happened_at=at,
                noted_at=now,
            )
        )
    if activities:
        lots.book_activities(activities)


def _book_splits(check: BookCheck, account: _Account) -> bool:
    """Book the splits that happened since books and account last agreed; return whether there were any."""
    activities = []
    for symbol, held in account.held.items():
        booked = account.booked.get(symbol)
        ratio = split_since(held, booked) if booked else None
        if ratio is not None:
            activities.append(
                AccountActivity(
                    key=f"split:{symbol}:{account.sequence}",
                    kind=AccountActivity.Kind.SPLIT,
                    symbol=symbol,
                    price=ratio,
                    happened_at=account.snapshot.market_time,
                    noted_at=timezone.now(),
                )
            )
    if activities:
        log.info("splits_booked", symbols=[activity.symbol for activity in activities])
        lots.book_activities(activities)
    return bool(activities)


def _books_of(account: _Account) -> list[SymbolBook]:
    """Read anew the books of what is held."""
    return list(SymbolBook.objects.filter(symbol__in=account.held))


def _note_broker(account: _Account, rows: Iterable[SymbolBook], message: Message) -> None:
    """Remember what the broker says of each symbol, by which the next split is known."""
    changed = []
    for row in rows:
        held = account.held.get(row.symbol)
        if held and (row.broker_quantity, row.broker_unit_cost) != (held.quantity, held.unit_cost):
            said = {"broker_quantity": held.quantity, "broker_unit_cost": held.unit_cost}
            changed.append((row.symbol, said))
    if changed:
        message.update_each(SymbolBook, changed)
