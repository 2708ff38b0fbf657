"""The risk book: checks and reservations under one lock per account."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Least
from django.utils import timezone

from risk.domain.gate import judge
from risk.domain.limits import StrategyLimits, tighter
from risk.domain.types import OrderIntent, RiskBook, Verdict
from risk.models import RiskCheck, RiskLimits, RiskReservation

SMALLEST_NOTIONAL = Decimal("0.0001")  # the column's last digit: what is left of a coin may be worth less


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict as stored; ``reservation`` is None when the order was denied."""

    verdict: Verdict
    check: RiskCheck
    reservation: RiskReservation | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """What the counting reservations take; money in USD, of entries alone.

    Args:
        by_symbol: beyond what the stored positions include.
        not_in_buying_power: of orders the broker had not taken when it reported the stored buying power.
        symbols: those that an entry or an exit works on.
    """

    by_symbol: Mapping[str, Decimal]
    not_in_buying_power: Decimal
    symbols: frozenset[str]


def read_reserved() -> Reserved:
    """Read the counting reservations at one moment; call while holding ``locks.lock_book``."""
    counting = list(RiskReservation.objects.counting())
    entries = [row for row in counting if row.side == RiskReservation.Side.BUY]
    return Reserved(
        by_symbol={row.symbol: row.counting_notional for row in entries},
        not_in_buying_power=sum((row.notional for row in entries if not row.in_buying_power), Decimal(0)),
        symbols=frozenset(row.symbol for row in counting),
    )


def reserved_by_symbol() -> Mapping[str, Decimal]:
    """Return what entries take in USD by symbol, beyond what the stored positions include."""
    return read_reserved().by_symbol


def forget_sync() -> None:
    """Count every reservation in full again; the sync that is now stored says anew what it includes."""
    RiskReservation.objects.counting().update(quantity_in_positions=0, in_buying_power=False)


def include_in_sync(reservation_id: UUID, *, quantity: Decimal, in_buying_power: bool) -> None:
    """Note what the account and the positions that are now stored include of a reservation.

    Call in the transaction that stores them, holding ``locks.lock_book``: whoever reads the book then finds
    each fill in exactly one of both.
    """
    rows = RiskReservation.objects.counting().filter(pk=reservation_id)
    rows.update(quantity_in_positions=Least(quantity, F("quantity")), in_buying_power=in_buying_power)


def check_and_reserve(
    *,
    intent: OrderIntent,
    book: RiskBook,
    decision_id: UUID,
    cycle_id: UUID,
    own: StrategyLimits | None = None,
) -> Judgement:
    """Judge the intent and, when allowed, reserve its room.

    Call inside a transaction that holds ``locks.lock_book`` and in which ``book`` was read.

    Args:
        own: the strategy's limits; the tighter of these and the account's count.
    """
    current = RiskLimits.objects.first()
    verdict = judge(intent, book, tighter(current.to_limits(), own) if current else None)
    check = RiskCheck.objects.create(
        cycle_id=cycle_id,
        decision_id=decision_id,
        symbol=intent.symbol,
        reducing=intent.reducing,
        allowed=verdict.allowed,
        reason=verdict.reason or "",
        limits_version=current.version if current else None,
        strategy_version=own.version if own else None,
        quantity=verdict.quantity,
        notional=verdict.notional,
        figures=dict(verdict.figures),
    )
    if not verdict.allowed:
        return Judgement(verdict, check, None)
    side = RiskReservation.Side.SELL if intent.reducing else RiskReservation.Side.BUY
    reservation = RiskReservation.objects.create(
        cycle_id=cycle_id,
        decision_id=decision_id,
        symbol=intent.symbol,
        side=side,
        quantity=verdict.quantity,
        notional=max(verdict.notional, SMALLEST_NOTIONAL),
    )
    return Judgement(verdict, check, reservation)


def release(reservation_id: UUID, *, reason: str) -> bool:
    """End a reservation; return whether this call ended it (False: it had ended before)."""
    ended = RiskReservation.objects.counting().filter(pk=reservation_id)
    return bool(ended.update(released_at=timezone.now(), release_reason=reason))
