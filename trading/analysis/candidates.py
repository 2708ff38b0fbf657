"""Candidates of the universe: proposed by anyone, approved, rejected and watched by a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils import timezone

from trading.core import transitions
from trading.domain.statuses import CandidateStatus
from trading.errors import CandidateError
from trading.market.universe import unknown_symbols
from trading.models import UniverseCandidate

MOST_OF_A_REASON = 500
SYMBOL_LENGTH = 32


def propose_candidate(*, symbol: str, source: str, reason: str = "") -> UniverseCandidate:
    """Put a symbol forward; one that is a candidate already stays as it is, a rejected one rejected.

    Args:
        source: who or what proposes it: an operator's name, ``strategy NAME`` or ``model NAME``.

    Raises:
        CandidateError: the symbol is malformed, or the broker lists no tradable asset of this name; or there
            is no source, or the reason is too long.
    """
    checked_candidate_symbol(symbol)
    if not source.strip():
        raise CandidateError("source", "was empty, expected who or what proposes the symbol")
    _check_reason(reason)
    with transaction.atomic():
        row, created = UniverseCandidate.objects.get_or_create(
            symbol=symbol, defaults={"source": source.strip()[:150], "reason": reason}
        )
        if created:
            transitions.record_created(row, symbol=symbol, source=row.source, reason=reason)
    return row


def approve_candidate(*, symbol: str, actor: str, reason: str = "") -> UniverseCandidate:
    """Let cycles look at a proposed symbol; a rejected one may be approved after all.

    Raises:
        CandidateError: no candidate of this name, or it is not tradable any more, or it is approved already.
    """
    _check_reason(reason)
    with _locked(symbol) as row:
        if row.status == CandidateStatus.APPROVED:
            raise CandidateError("status", f"{symbol} is approved already")
        checked_candidate_symbol(symbol)
        _answer(row, "approve", actor=actor, reason=reason, entered_at=_entry(row))
        return row


def reject_candidate(*, symbol: str, actor: str, reason: str) -> UniverseCandidate:
    """Keep a symbol out, unless there is a position in it; it leaves the watchlist, too.

    Raises:
        CandidateError: no candidate of this name, no reason, or it is rejected already.
    """
    if not reason.strip():
        raise CandidateError("reason", f"was empty, expected why {symbol} is rejected")
    _check_reason(reason)
    with _locked(symbol) as row:
        if row.status == CandidateStatus.REJECTED:
            raise CandidateError("status", f"{symbol} is rejected already")
        _answer(row, "reject", actor=actor, reason=reason.strip(), entered_at=None, on_watchlist=False)
        return row


def set_watchlist(*, symbol: str, on: bool, actor: str, reason: str = "") -> UniverseCandidate:
    """Put a symbol on the watchlist or take it off; one that is no candidate yet becomes one, proposed.

    Raises:
        CandidateError: the symbol is malformed, unknown or rejected, or, to take it off, no candidate.
    """
    if on:
        checked_candidate_symbol(symbol)
    with transaction.atomic():
        if on:
            propose_candidate(symbol=symbol, source=actor, reason=reason)
        with _locked(symbol) as row:
            if on and row.status == CandidateStatus.REJECTED:
                raise CandidateError(
                    "on_watchlist",
                    f"{symbol} is rejected ({row.answer_reason}), expected to approve it first",
                )
            if row.on_watchlist != on:
                _watch(row, on=on, actor=actor)
    return row


def checked_candidate_symbol(symbol: str) -> str:
    """Return the symbol if the broker lists it as tradable.

    Raises:
        CandidateError: it is malformed or unknown; says what was given and what was expected.
    """
    problem = unknown_symbols([symbol]).get(symbol)
    if problem is not None:
        raise CandidateError("symbol", f"was {symbol[: 2 * SYMBOL_LENGTH]!r}, {problem}")
    return symbol


@contextmanager
def _locked(symbol: str) -> Iterator[UniverseCandidate]:
    with transaction.atomic():
        row = UniverseCandidate.objects.select_for_update().filter(symbol=symbol).first()
        if row is None:
            raise CandidateError("symbol", f"was {symbol[: 2 * SYMBOL_LENGTH]!r}, expected a candidate")
        yield row


def _answer(row: UniverseCandidate, event: str, *, actor: str, reason: str, **columns: Any) -> None:
    now = timezone.now()
    answer = {"answered_by": actor, "answered_at": now, "answer_reason": reason, "updated_at": now}
    transitions.apply(row, event, changes=answer | columns, symbol=row.symbol, actor=actor, reason=reason)
    row.refresh_from_db()


def _watch(row: UniverseCandidate, *, on: bool, actor: str) -> None:
    row.entered_at = (
        _entry(row) if on else (row.entered_at if row.status == CandidateStatus.APPROVED else None)
    )
    row.on_watchlist = on
    row.save(update_fields=["on_watchlist", "entered_at", "updated_at"])
    transitions.append_event(
        aggregate_type="candidate",
        aggregate_id=str(row.pk),
        event_type="candidate.watch" if on else "candidate.unwatch",
        payload={"symbol": row.symbol, "actor": actor},
        cycle_id=None,
    )


def _entry(row: UniverseCandidate) -> Any:
    """When it came in: now, unless it is in already. A new one queues behind those that wait."""
    inside = row.on_watchlist or row.status == CandidateStatus.APPROVED
    return (row.entered_at or row.created_at) if inside else timezone.now()


def _check_reason(reason: str) -> None:
    if len(reason) > MOST_OF_A_REASON:
        raise CandidateError("reason", f"has {len(reason)} characters, expected at most {MOST_OF_A_REASON}")
