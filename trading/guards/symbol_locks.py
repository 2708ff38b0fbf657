"""Lock a symbol against entries, and unlock it; exits of what is held go on."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from trading.core import transitions
from trading.core.row_locks import locked_agent
from trading.domain.symbols import EXPECTED, is_symbol
from trading.errors import GuardError
from trading.market.market_time import latest_market_time
from trading.models import SymbolLock

LOCKED, UNLOCKED = "symbol_lock.locked", "symbol_lock.unlocked"


def lock_symbol(*, symbol: str, actor: str, reason: str, until: datetime | None = None) -> SymbolLock:
    """Lock a symbol; a lock that it has is replaced, the same again changes nothing. Return the lock in force.

    Args:
        until: market time, aware, exclusive; None: until somebody unlocks it.

    Raises:
        GuardError: no such symbol, no reason or author, or an end that is past.
    """
    _check(symbol, actor, reason, until)
    said = reason.strip()[:500]
    with transaction.atomic():
        locked_agent()  # one at a time: an end and a new lock, and the sequence of a symbol's events
        current = SymbolLock.objects.filter(symbol=symbol, ended_at__isnull=True).first()
        if current is not None:
            if (current.reason, current.until) == (said, until):
                return current
            _end(current, actor)
        lock = SymbolLock.objects.create(symbol=symbol, reason=said, author=actor, until=until)
        _append(LOCKED, lock, actor=actor, reason=said)
    return lock


def unlock_symbol(*, symbol: str, actor: str, reason: str = "") -> bool:
    """End a symbol's lock; return whether there was one in force."""
    with transaction.atomic():
        locked_agent()
        current = SymbolLock.objects.filter(symbol=symbol, ended_at__isnull=True).first()
        if current is None:
            return False
        _end(current, actor)
        _append(UNLOCKED, current, actor=actor, reason=reason.strip()[:500])
    return True


def is_locked(symbol: str) -> bool:
    """Return whether a lock keeps the symbol from being bought now, by the market's time."""
    return SymbolLock.objects.in_force(latest_market_time()).filter(symbol=symbol).exists()


def _check(symbol: str, actor: str, reason: str, until: datetime | None) -> None:
    if not is_symbol(symbol):
        raise GuardError(f"symbol: was {symbol!r}, expected {EXPECTED}")
    if not reason.strip() or not actor.strip():
        raise GuardError("reason: was empty, expected why the symbol is locked")
    if until is None:
        return
    if until.tzinfo is None:
        raise GuardError(f"until: was {until}, expected a time with its zone")
    now = latest_market_time()
    if now is not None and until <= now:
        raise GuardError(f"until: was {until}, expected a time after now, which is {now} in the market")


def _end(lock: SymbolLock, actor: str) -> None:
    SymbolLock.objects.filter(pk=lock.pk).update(ended_at=timezone.now(), ended_by=actor)


def _append(event_type: str, lock: SymbolLock, *, actor: str, reason: str) -> None:
    transitions.append_event(
        aggregate_type="symbol_lock",
        aggregate_id=lock.symbol,
        event_type=event_type,
        payload={
            "symbol": lock.symbol,
            "actor": actor,
            "reason": reason,
            "until": lock.until.isoformat() if lock.until else None,
        },
        cycle_id=None,
    )
