"""The risk book: checks and reservations under one lock per account."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum
from django.utils import timezone

from risk.domain.gate import judge
from risk.domain.types import OrderIntent, RiskBook, Verdict
from risk.models import RiskCheck, RiskLimits, RiskReservation

SMALLEST_NOTIONAL = Decimal("0.0001")  # the column's last digit: what is left of a coin may be worth less


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict as stored; ``reservation`` is None when the order was denied."""

    verdict: Verdict
    check: RiskCheck
    reservation: RiskReservation | None


def reserved_by_symbol() -> Mapping[str, Decimal]:
    """Return the counting entry reservations in USD by symbol."""
    rows = (
        RiskReservation.objects.counting()
        .filter(side=RiskReservation.Side.BUY)
        .values_list("symbol")
        .annotate(total=Sum("notional"))
    )
    return dict(rows)


def pending_symbols() -> frozenset[str]:
    """Return the symbols that a counting reservation works on."""
    return frozenset(RiskReservation.objects.counting().values_list("symbol", flat=True))


def check_and_reserve(*, intent: OrderIntent, book: RiskBook, decision_id: UUID, cycle_id: UUID) -> Judgement:
    """Judge the intent and, when allowed, reserve its room.

    Call inside a transaction that holds ``locks.lock_book`` and in which ``book`` was read.
    """
    current = RiskLimits.objects.first()
    verdict = judge(intent, book, current.to_limits() if current else None)
    check = RiskCheck.objects.create(
        cycle_id=cycle_id,
        decision_id=decision_id,
        symbol=intent.symbol,
        reducing=intent.reducing,
        allowed=verdict.allowed,
        reason=verdict.reason or "",
        limits_version=current.version if current else None,
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
