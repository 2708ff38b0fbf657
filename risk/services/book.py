"""The risk book: checks and reservations under one lock per account."""

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Least
from django.utils import timezone

from risk.domain.limits import StrategyLimits, tighter
from risk.domain.reasons import DenyReason
from risk.domain.trusted_gate import AppliedTrust, judge_trusted
from risk.domain.types import LimitValues, OrderIntent, RiskBook, Verdict
from risk.models import RiskCheck, RiskLimits, RiskReservation

SMALLEST_NOTIONAL = Decimal("0.0001")  # the column's last digit: what is left of a coin may be worth less
OF_RESERVED = ("symbol", "side", "quantity", "notional", "risk", "quantity_in_positions", "in_buying_power")
SMALLEST_QUANTITY = Decimal("0.000000001")


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
        risk_by_symbol: what is lost of that where their stops sell.
        not_in_buying_power: of orders the broker had not taken when it reported the stored buying power.
        symbols: those that an entry or an exit works on.
    """

    by_symbol: Mapping[str, Decimal]
    risk_by_symbol: Mapping[str, Decimal]
    not_in_buying_power: Decimal
    symbols: frozenset[str]


def counting() -> "QuerySet[RiskReservation]":
    """Return the query of what ``reserved_of`` is made of: the columns alone that it needs."""
    return RiskReservation.objects.counting().only(*OF_RESERVED)


def read_reserved() -> Reserved:
    """Read the counting reservations at one moment; call while holding ``locks.lock_book``."""
    return reserved_of(list(counting()))


def reserved_of(rows: Sequence[RiskReservation]) -> Reserved:
    """Return what these take: all that count, as the caller has read them."""
    entries = [row for row in rows if row.side == RiskReservation.Side.BUY]
    return Reserved(
        by_symbol={row.symbol: row.counting_notional for row in entries},
        risk_by_symbol={row.symbol: row.counting_risk for row in entries},
        not_in_buying_power=sum((row.notional for row in entries if not row.in_buying_power), Decimal(0)),
        symbols=frozenset(row.symbol for row in rows),
    )


def reserved_by_symbol() -> Mapping[str, Decimal]:
    """Return what entries take in USD by symbol, beyond what the stored positions include."""
    return read_reserved().by_symbol


class Change(NamedTuple):
    """What is to be written into which reservations, for who says it with more."""

    rows: "QuerySet[RiskReservation]"
    values: Mapping[str, Any]


def forgetting_sync() -> Change:
    """Return what counts every reservation in full again; the sync that is stored then says anew what it includes."""
    return Change(RiskReservation.objects.counting(), {"quantity_in_positions": 0, "in_buying_power": False})


def including_in_sync(reservation_id: UUID, *, quantity: Decimal, in_buying_power: bool) -> Change:
    """Return what notes how much the account and the positions that are stored then include of a reservation.

    Write it in the transaction that stores them, holding ``locks.lock_book``: whoever reads the book then finds
    each fill in exactly one of both.
    """
    included = {
        "quantity_in_positions": Least(quantity, F("quantity")),
        "in_buying_power": in_buying_power,
    }
    return Change(RiskReservation.objects.counting().filter(pk=reservation_id), included)


@dataclass(frozen=True, slots=True)
class Wish:
    """One of several intents that are judged in order.

    Args:
        held_quantity: available base units of the intent's symbol.
        own: the strategy's limits; the tighter of these and the account's count.
        trust: what an entry's confidence has earned; None: nobody asks.
    """

    intent: OrderIntent
    held_quantity: Decimal
    decision_id: UUID
    cycle_id: UUID
    own: StrategyLimits | None = None
    trust: AppliedTrust | None = None


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
    wish = Wish(intent, book.held_quantity, decision_id, cycle_id, own)
    return check_and_reserve_all([wish], book=book)[0]


def check_and_reserve_all(wishes: Sequence[Wish], *, book: RiskBook) -> list[Judgement]:
    """Judge each intent against the book with what those before it have reserved, and reserve what is allowed.

    Call inside a transaction that holds ``locks.lock_book`` and in which ``book`` was read. The answers and rows are
    those of as many calls of ``check_and_reserve``, the book read anew before each; three statements for all.
    """
    judgements = judge_all(wishes, book=book, current=RiskLimits.objects.first())
    RiskCheck.objects.bulk_create(judgement.check for judgement in judgements)
    RiskReservation.objects.bulk_create(reserved_by(judgements))
    return judgements


def judge_all(wishes: Sequence[Wish], *, book: RiskBook, current: RiskLimits | None) -> list[Judgement]:
    """Return the same answers, and store nothing: who has read the limits stores the rows with what follows from them.

    Args:
        current: the account's newest limits, read where ``book`` was.
    """
    answers = judge_in_order(wishes, book=book, limits=current.to_limits() if current else None)
    return [
        Judgement(verdict, _check(wish, verdict, current), reservation)
        for wish, (verdict, reservation) in zip(wishes, answers, strict=True)
    ]


def reserved_by(judgements: Sequence[Judgement]) -> list[RiskReservation]:
    """Return what was reserved."""
    return [judgement.reservation for judgement in judgements if judgement.reservation is not None]


def judge_in_order(
    wishes: Sequence[Wish], *, book: RiskBook, limits: LimitValues | None
) -> Iterator[tuple[Verdict, RiskReservation | None]]:
    """Yield the gate's answer to each, and what it reserves (unsaved): those after it find it in their book.

    Nothing is read and nothing stored: who only asks what the gate would say asks here.

    Args:
        limits: the account's; a wish's own are merged in.
    """
    for wish in wishes:
        verdict = _verdict(wish, book, limits)
        reservation = _reservation(wish, verdict) if verdict.allowed else None
        if reservation is not None:
            book = with_reservation(book, reservation)
        yield verdict, reservation


def denials_of(
    wishes: Sequence[Wish], *, book: RiskBook, only: Container[DenyReason], current: RiskLimits | None
) -> list[Judgement]:
    """Return the answers that are denials for one of these reasons, not stored; of other intents nothing is said.

    Nothing is reserved, so no lock is needed: a denial that hangs on the intent alone is the same at any moment.

    Args:
        current: the account's newest limits.
    """
    limits = current.to_limits() if current else None
    denied = []
    for wish in wishes:
        verdict = _verdict(wish, book, limits)
        if verdict.reason is not None and verdict.reason in only:
            denied.append(Judgement(verdict, _check(wish, verdict, current), None))
    return denied


def with_reservation(book: RiskBook, reservation: RiskReservation) -> RiskBook:
    """Return the book as it is read once this reservation and its order are stored."""
    symbol = reservation.symbol
    pending = book.pending_symbols | {symbol}
    if reservation.side != RiskReservation.Side.BUY:
        return replace(book, pending_symbols=pending)
    unspent = book.not_in_buying_power
    return replace(
        book,
        pending_symbols=pending,
        reserved={**book.reserved, symbol: reservation.counting_notional},
        open_risk={
            **book.open_risk,
            symbol: book.open_risk.get(symbol, Decimal(0)) + reservation.counting_risk,
        },
        not_in_buying_power=None if unspent is None else unspent + reservation.notional,
    )


def _verdict(wish: Wish, book: RiskBook, limits: LimitValues | None) -> Verdict:
    seen = replace(book, held_quantity=wish.held_quantity)
    own = None if limits is None else tighter(limits, wish.own)
    return judge_trusted(wish.intent, seen, own, wish.trust)


def _check(wish: Wish, verdict: Verdict, current: RiskLimits | None) -> RiskCheck:
    return RiskCheck(
        cycle_id=wish.cycle_id,
        decision_id=wish.decision_id,
        symbol=wish.intent.symbol,
        reducing=wish.intent.reducing,
        allowed=verdict.allowed,
        reason=verdict.reason or "",
        limits_version=current.version if current else None,
        strategy_version=wish.own.version if wish.own else None,
        quantity=verdict.quantity,
        notional=verdict.notional,
        figures=dict(verdict.figures),
    )


def _reservation(wish: Wish, verdict: Verdict) -> RiskReservation:
    """Return the reservation with its figures as the columns round them: those after it count what is stored."""
    return RiskReservation(
        cycle_id=wish.cycle_id,
        decision_id=wish.decision_id,
        symbol=wish.intent.symbol,
        side=RiskReservation.Side.SELL if wish.intent.reducing else RiskReservation.Side.BUY,
        quantity=verdict.quantity.quantize(SMALLEST_QUANTITY, ROUND_HALF_UP),
        risk=_risk(wish, verdict),
        notional=max(verdict.notional.quantize(SMALLEST_NOTIONAL, ROUND_HALF_UP), SMALLEST_NOTIONAL),
    )


def _risk(wish: Wish, verdict: Verdict) -> Decimal:
    share = wish.intent.stop_share
    if share is None or wish.intent.reducing:
        return Decimal(0)
    return (verdict.notional * share).quantize(SMALLEST_NOTIONAL, ROUND_HALF_UP)


def releasing(reservation_ids: Collection[UUID], *, reason: str) -> Change:
    """Return what ends many reservations, those that still count."""
    ended = RiskReservation.objects.counting().filter(pk__in=reservation_ids)
    return Change(ended, {"released_at": timezone.now(), "release_reason": reason})


def release(reservation_id: UUID, *, reason: str) -> bool:
    """End a reservation; return whether this call ended it (False: it had ended before)."""
    ended = RiskReservation.objects.counting().filter(pk=reservation_id)
    return bool(ended.update(released_at=timezone.now(), release_reason=reason))
