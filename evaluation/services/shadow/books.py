"""The books of shadow strategies: opened, and a cycle's outcome written down in one transaction or not at all."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from evaluation.domain.shadow_state import DECISION, Market, Settled
from evaluation.errors import SelectionError
from evaluation.models import ShadowBook, ShadowDecision, ShadowFill, ShadowPoint
from evaluation.services.shadow.deciding import Decided
from evaluation.services.shadow.ledger import new_ledger, to_json
from evaluation.services.shadow.scenes import SeenCycle
from risk.domain.numbers import ZERO, plain_decimal
from trading.models import Strategy

CENT = Decimal("0.0001")
UNITS = Decimal("0.000000000001")
LARGEST_START = Decimal(10**9)


def open_book(strategy: Strategy, equity: Decimal, *, origin: str = ShadowBook.Origin.STATED) -> ShadowBook:
    """Open a strategy's book with so much cash in USD, before its first cycle.

    Raises:
        SelectionError: it is no shadow, it has a book, or the sum is none.
    """
    if not strategy.is_shadow:
        raise SelectionError(f"strategy: was {strategy.name!r}, expected a shadow: this one is to trade")
    if not (equity.is_finite() and 0 < equity <= LARGEST_START):
        raise SelectionError(f"equity: was {equity}, expected USD above 0 and at most {LARGEST_START}")
    equity = equity.quantize(CENT)
    try:
        with transaction.atomic():
            return ShadowBook.objects.create(
                strategy=strategy, start_equity=equity, origin=origin, ledger=new_ledger(equity)
            )
    except IntegrityError:
        book = ShadowBook.objects.get(strategy=strategy)
        said = plain_decimal(book.start_equity)
        raise SelectionError(
            f"strategy: {strategy.name} has a book already, of {said} USD: it stays as it is"
        ) from None


def store(
    book: ShadowBook,
    seen: SeenCycle,
    market: Market,
    settled: Settled,
    decided: Decided,
    *,
    outcome: str,
    reason: str = "",
) -> bool:
    """Write down what a cycle did to a book; return False, with nothing written, where somebody was first."""
    cycle = seen.cycle
    with transaction.atomic():
        mine = ShadowBook.objects.filter(pk=book.pk, cycle_number=book.cycle_number)
        changes = {
            "ledger": to_json(decided.state),
            "cycle_number": cycle.number,
            "opened_at": book.opened_at or seen.as_of,
            "updated_at": timezone.now(),
            str(outcome): getattr(book, str(outcome)) + 1,
            "requests_asked": book.requests_asked + decided.answer.requests,
            "cost_usd": book.cost_usd + decided.answer.cost_usd,
        }
        if book.start_account_equity is None:
            changes["start_account_equity"] = seen.account_equity.quantize(CENT)
        if not mine.update(**changes):
            return False
        for row in decided.rows:
            row.book = book
        ShadowDecision.objects.bulk_create(decided.rows)
        _store_fills(book, seen, market, settled)
        ShadowPoint.objects.create(
            book=book,
            cycle_id=cycle.pk,
            cycle_number=cycle.number,
            at=seen.as_of,
            **_worth(decided),
            account_equity=seen.account_equity.quantize(CENT),
            outcome=outcome,
            reason=reason[:500],
            notes=list(settled.notes),
            symbols_asked=decided.symbols,
            requests_asked=decided.answer.requests,
            latency_ms=decided.answer.latency_ms,
            cost_usd=decided.answer.cost_usd,
        )
    book.refresh_from_db()
    return True


def pass_over(book: ShadowBook, *, cycles: int, last_number: int) -> bool:
    """Count cycles that nothing is done about; return False, with nothing counted, where somebody was first."""
    mine = ShadowBook.objects.filter(pk=book.pk, cycle_number=book.cycle_number)
    changed = mine.update(
        cycle_number=last_number, passed_over=book.passed_over + cycles, updated_at=timezone.now()
    )
    book.refresh_from_db()
    return bool(changed)


def _worth(decided: Decided) -> dict[str, Decimal | int]:
    state = decided.state
    exposures = state.book.exposures(state.prices)
    return {
        "equity": state.equity.quantize(CENT),
        "cash": state.book.cash.quantize(CENT),
        "exposure": sum(exposures.values(), ZERO).quantize(CENT),
        "positions": len(exposures),
    }


def _store_fills(book: ShadowBook, seen: SeenCycle, market: Market, settled: Settled) -> None:
    decisions = [fill.decision for cause, fill in settled.fills if cause == DECISION]
    ShadowFill.objects.bulk_create(
        ShadowFill(
            book=book,
            decision_id=fill.decision if cause == DECISION else None,
            cause=cause,
            cycle_id=seen.cycle.pk,
            cycle_number=seen.cycle.number,
            symbol=fill.symbol,
            side=fill.side,
            quantity=fill.quantity,
            price=fill.price,
            snapshot_price=_seen_price(fill.symbol, market, settled),
            fees=fill.fees.quantize(UNITS),
            realised=fill.realised.quantize(UNITS),
            at=fill.at,
        )
        for cause, fill in settled.fills
    )
    _settle(decisions, ShadowDecision.Status.FILLED)
    _settle(settled.given_up, ShadowDecision.Status.GIVEN_UP)


def _seen_price(symbol: str, market: Market, settled: Settled) -> Decimal:
    """Return the price a fill was reckoned from: the cycle's, or the last one of what is listed no more."""
    priced = market.prices.get(symbol)
    return settled.last_prices[symbol] if priced is None else priced.price


def _settle(names: Sequence[str], status: ShadowDecision.Status) -> None:
    ShadowDecision.objects.filter(pk__in=list(names), status=ShadowDecision.Status.WAITING).update(
        status=status
    )
