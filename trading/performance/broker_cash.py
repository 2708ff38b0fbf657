"""What the broker books by itself, read beside the comparison: dividends, interest, fees, deposits, and what it calls.

Asked for where cash or units differ, and once a session, for some is booked days after its effect. Each is stored once,
by the broker's own id; a dividend becomes a line of what the lots earned that it was paid on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

import structlog
from django.utils import timezone

from connectors.base import BrokerActivity
from connectors.errors import ConnectorError
from risk.domain.numbers import ZERO
from trading.core.providers import current_providers
from trading.domain.performance.broker_cash import (
    COUNTED_ELSEWHERE,
    CashKind,
    cash_kind,
    shares_of,
)
from trading.errors import TradingError
from trading.market.exchange_calendar import NEW_YORK
from trading.models import AccountActivity, BookCheck, CashLine, Lot, RoundTrip

log = structlog.get_logger(__name__)
LOOK_BACK = timedelta(days=7)
COPIED = ("strategy_id", "strategy_version", "model", "prompt_version", "confidence", "decision_id")


@dataclass(frozen=True, slots=True)
class Told:
    """What the broker said that it booked; ``is_read`` is False where it did not answer."""

    activities: Sequence[BrokerActivity] = ()
    is_read: bool = False


def ask() -> Told:
    """Ask the broker what it has booked by itself lately; what fails is said, and nothing is concluded from it."""
    check = BookCheck.objects.get(pk=1)
    now = check.checked_market_time or check.opened_at
    since = max(now - LOOK_BACK, check.opened_at - timedelta(days=1))
    try:
        return Told(current_providers().broker.activities(after=since), is_read=True)
    except (ConnectorError, TradingError) as error:
        log.warning("activities_not_read", error_type=type(error).__name__, error=str(error))
        return Told()


def book_cash(told: Sequence[BrokerActivity], *, since: datetime) -> list[AccountActivity]:
    """Store the cash that is new, with its lines; return it. Call in the transaction that compares.

    Args:
        since: when the comparison began: what was booked before is in the account as it was then.
    """
    moved = [one for one in told if one.net_amount and one.kind not in COUNTED_ELSEWHERE]
    known = set(
        AccountActivity.objects.filter(key__in=[one.activity_id for one in moved]).values_list(
            "key", flat=True
        )
    )
    fresh = {one.activity_id: one for one in moved if one.booked_at > since and one.activity_id not in known}
    rows = [_row(one) for one in fresh.values()]
    AccountActivity.objects.bulk_create(rows)
    lines = [line for row, one in zip(rows, fresh.values(), strict=True) for line in _lines(row, one)]
    CashLine.objects.bulk_create(lines)
    for row in rows:
        log.info(
            "cash_booked",
            kind=row.kind,
            broker_kind=row.broker_kind,
            symbol=row.symbol,
            amount=str(row.amount),
        )
    return rows


def _row(told: BrokerActivity) -> AccountActivity:
    return AccountActivity(
        key=told.activity_id,
        kind=cash_kind(told.kind),
        broker_kind=told.kind,
        symbol=told.symbol,
        quantity=told.quantity,
        price=told.per_share,
        amount=told.net_amount,
        description=told.description,
        happened_at=told.booked_at,
        noted_at=timezone.now(),
    )


def _lines(row: AccountActivity, told: BrokerActivity) -> list[CashLine]:
    """Return to whom it belongs: the lots it was paid on, by their units; nobody's where it is about no symbol."""
    if row.kind in (CashKind.TRANSFER, CashKind.OTHER):
        return []
    lots = _held_on(row.symbol, datetime.combine(told.day, time(9, 30), NEW_YORK)) if row.symbol else []
    if not lots:
        return [_line(row, row.amount, None)]
    amounts = shares_of(row.amount, [quantity for _, quantity in lots])
    return [_line(row, amount, lot) for (lot, _), amount in zip(lots, amounts, strict=True)]


def _line(row: AccountActivity, amount: Decimal, lot: Lot | None) -> CashLine:
    opened_by = {name: getattr(lot, name) for name in COPIED} if lot is not None else {}
    return CashLine(
        activity=row,
        kind=row.kind,
        symbol=row.symbol,
        amount=amount,
        happened_at=row.happened_at,
        **opened_by,
    )


def _held_on(symbol: str, at: datetime) -> list[tuple[Lot, Decimal]]:
    """Return the lots that were held at a moment, with their units; else, where it was paid later, those closed last.

    Units are as they were bought or as later splits made them; among the lots of one symbol that is a like measure.
    """
    lots = {lot.number: lot for lot in Lot.objects.filter(symbol=symbol, opened_at__lt=at).order_by("number")}
    if not lots:
        return []
    units = {number: lot.remaining for number, lot in lots.items()}
    closed = list(RoundTrip.objects.filter(symbol=symbol, lot_number__in=lots).order_by("-closed_at"))
    for trip in closed:
        if trip.closed_at >= at:
            units[trip.lot_number] += trip.quantity
    if not any(units.values()) and closed:
        last = closed[0].closed_at
        for trip in closed:
            units[trip.lot_number] += trip.quantity if trip.closed_at == last else ZERO
    return [(lots[number], held) for number, held in units.items() if held > 0]
