"""A cycle's universe on its page: what was in and why, what waits, what could not be looked at."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from trading.admin.base import list_url
from trading.domain.universe_record import UniverseClass, UniverseLine, read_record
from trading.labels import words_of
from trading.models import Cycle

SEATS: Mapping[str, tuple[str, str]] = {
    "position": ("open position", "success"),
    "score": ("by score", "info"),
    "rotation": ("its turn", "info"),
    "volume": ("most traded", "default"),
}
CLASS_TITLES = {"stock": "Stocks", "crypto": "Coins"}


def universe_of(cycle_id: str | None) -> list[dict[str, Any]]:
    """Return a cycle's universe for its page: per class its table, what is in first."""
    stored: Mapping[str, Any] = {}
    if (pk := uuid_of(cycle_id or "")) is not None:
        stored = Cycle.objects.filter(pk=pk).values_list("universe", flat=True).first() or {}
    out = [{"symbol": symbol, "why": why} for symbol, why in stored.get("left_out", {}).items()]
    shown = [_class_shown(one) for one in read_record(stored) if one.taken or one.waiting]
    return [*shown, *([{"title": "Left out", "left_out": out}] if out else [])]


def _class_shown(one: UniverseClass) -> dict[str, Any]:
    seats = Counter(line.seat for line in one.taken)
    return {
        "title": CLASS_TITLES.get(one.name, one.name),
        "facts": one,
        "seats": [(SEATS[seat], seats[seat]) for seat in SEATS if seats[seat]],
        "taken": [_shown(line) | {"seat": SEATS[line.seat]} for line in one.taken],
        "waiting": [_shown(line) | {"turn": line.turn} for line in one.waiting],
        "candidates": seats["score"] + seats["rotation"] + len(one.waiting),
    }


def _shown(line: UniverseLine) -> dict[str, Any]:
    return {
        "symbol": line.symbol,
        "score": line.score,
        "reasons": ", ".join(map(words_of, line.reasons)),
        "url": list_url("trading", "universecandidate", q=line.symbol),
    }


def uuid_of(text: str) -> UUID | None:
    """Return the id, None for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
