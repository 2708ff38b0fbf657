"""What the person who looks may do with a symbol or with the agent: a link each to the form that asks and confirms."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from trading.admin.extras import SYMBOL_DEEDS, Piece
from trading.admin.pages import and_back
from trading.guards.symbol_locks import is_locked
from trading.models import Position
from trading.queries.pages.symbol_standing import SymbolStanding

CLOSE, LOCK, RUN = "trading.close_position", "trading.lock_symbol", "trading.run_cycle"
PROPOSE, PAUSE = "trading.propose_trade", "trading.set_mode"
RECONCILE = "trading.reconcile_position"
PAUSE_WORDS = "Pause entries …"
# By the permission it takes: the words and the form.
OF_AGENT = {
    RUN: ("Ask now …", "trading_cycle_ask"),
    PROPOSE: ("Propose a trade …", "trading_tradeproposal_propose"),
    PAUSE: (PAUSE_WORDS, "trading_agentstatus_entries"),
    LOCK: ("Lock a symbol …", "trading_symbollock_add"),
    RECONCILE: ("Reconcile …", "trading_position_reconcile"),
}


@dataclass(frozen=True, slots=True)
class Deed:
    """A link to a form."""

    words: str
    url: str


def symbol_deeds(request: HttpRequest, symbol: str, *, is_held: bool, is_locked: bool) -> list[Deed]:
    """Return what the user may do with a symbol, each with the way back to this page; no query."""
    found = position_deeds(request, symbol) if is_held else []
    return found + [
        Deed(words, and_back(request, url, **asked))
        for permission, words, url, asked in _of_symbol(symbol, is_locked=is_locked)
        if request.user.has_perm(permission)
    ]


def symbol_deeds_now(request: HttpRequest, symbol: str) -> list[Deed]:
    """Do the same where it is not known yet whether it is held and locked."""
    is_held = Position.objects.filter(pk=symbol).exists()
    return symbol_deeds(request, symbol, is_held=is_held, is_locked=is_locked(symbol))


def position_deeds(request: HttpRequest, symbol: str) -> list[Deed]:
    """Return what the user may do with a symbol that is held; no query."""
    return [
        Deed(words, and_back(request, url))
        for permission, words, url in _of_held(symbol)
        if request.user.has_perm(permission)
    ]


def agent_deeds(request: HttpRequest, *, is_paused: bool) -> list[Deed]:
    """Return what the user may do with the whole of it; no query.

    Args:
        is_paused: whether entries are.
    """
    found = [one for permission in OF_AGENT for one in deed(request, permission)]
    return [
        Deed("Resume entries …", one.url) if is_paused and one.words == PAUSE_WORDS else one for one in found
    ]


def deed(request: HttpRequest, permission: str) -> list[Deed]:
    """Return the deed with the whole that a permission is for; nothing where the user does not hold it."""
    words, name = OF_AGENT[permission]
    may = request.user.has_perm(permission)
    return [Deed(words, and_back(request, reverse(f"admin:{name}")))] if may else []


def _of_held(symbol: str) -> Iterator[tuple[str, str, str]]:
    yield CLOSE, "Close …", reverse("admin:trading_position_close", args=[symbol])
    yield CLOSE, "Move the stop …", reverse("admin:trading_position_stop", args=[symbol])


def _of_symbol(symbol: str, *, is_locked: bool) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    yield RUN, f"Ask about {symbol} …", reverse("admin:trading_cycle_ask"), {"symbols": symbol}
    yield PROPOSE, "Propose a trade …", reverse("admin:trading_tradeproposal_propose"), {"symbol": symbol}
    if is_locked:
        yield LOCK, "Unlock …", reverse("admin:trading_symbollock_unlock", args=[symbol]), {}
    else:
        yield LOCK, "Lock …", reverse("admin:trading_symbollock_add"), {"symbol": symbol}


def _of_standing(request: HttpRequest, now: SymbolStanding) -> dict[str, list[Deed]]:
    held, locked = now.position is not None, now.lock is not None
    return {"deeds": symbol_deeds(request, now.symbol, is_held=held, is_locked=locked)}


SYMBOL_DEEDS.put(Piece("console/deeds.html", _of_standing, asks=False))
