"""Note, beside each position, who protects it, since when, and for how long nobody did."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from risk.domain.numbers import ZERO, plain_decimal
from trading.core import transitions
from trading.core.statements.written_rows import update_from_values
from trading.domain.ages import is_fresh
from trading.exits.held import Held, read_held
from trading.models import Fill, Position
from trading.protection.coverage import is_covered

By = Position.ProtectedBy
JUST_BOUGHT = timedelta(minutes=2)


def note_all(sees: Callable[[str], bool], held: Held | None = None) -> None:
    """Bring each position's row to what protects it now; what has changed is an event.

    Args:
        sees: whether the watch would sell a symbol in time: it has a fresh price of it, and may sell.
        held: where the caller has just read it.
    """
    held, now = held if held is not None else read_held(), timezone.now()
    changed = []
    for position in held.positions.values():
        if is_covered(position, held.coverage.get(position.symbol)):
            by = By.BROKER
        else:
            by = By.SOFTWARE if position.stop_price is not None and sees(position.symbol) else By.NOBODY
        if by != position.protected_by or (by == By.NOBODY and position.unprotected_since is None):
            changed.append((position, by))
    _note(changed, now)


def _note(changed: Sequence[tuple[Position, str]], now: datetime) -> None:
    """Write who protects each of the positions now, those that are still as they were read, with their events."""
    if not changed:
        return
    with transaction.atomic():
        rows = Position.objects.filter(pk__in=[position.pk for position, _ in changed])
        stored = dict(rows.select_for_update(no_key=True).order_by("pk").values_list("pk", "protected_by"))
        mine = [
            (position, by) for position, by in changed if stored.get(position.pk) == position.protected_by
        ]
        by_columns = defaultdict(list)
        for position, by in mine:
            changes = _changes(position, by, now)
            by_columns[tuple(changes)].append((position.pk, changes))
        for each in by_columns.values():
            update_from_values(Position, each)
        transitions.append_events(
            "position", {position.symbol: _told(position, by) for position, by in mine}, cycle_id=None
        )


def _changes(position: Position, by: str, now: datetime) -> dict[str, object]:
    was = position.protected_by
    changes: dict[str, object] = {"protected_by": by}
    if by == By.NOBODY:
        changes |= {"protected_since": None, "unprotected_since": _since(position, now)}
    elif was == By.NOBODY:
        seconds = _unprotected_for(position, by, now)
        changes |= {
            "protected_since": now,
            "unprotected_since": None,
            "unprotected_seconds": position.unprotected_seconds + Decimal(f"{seconds:.3f}"),
        }
    return changes


def _told(position: Position, by: str) -> tuple[str, dict[str, str | None]]:
    return "position.protection_changed", {
        "symbol": position.symbol,
        "from": position.protected_by,
        "to": by,
        "stop_price": _text(position.stop_price),
        "target_price": _text(position.target_price),
    }


def _unprotected_for(position: Position, by: str, now: datetime) -> float:
    """Return for how many seconds nobody protected it until now; what the broker protects when we first look: never."""
    if position.unprotected_since is None and by == By.BROKER:
        return 0.0
    began = position.unprotected_since or _since(position, now)
    return max((now - began).total_seconds(), 0.0)


def _since(position: Position, now: datetime) -> datetime:
    """Return since when nobody protects it: what was just bought since it was recorded, else now."""
    if position.protected_since is not None or position.unprotected_seconds > ZERO:
        return now
    bought = Fill.objects.filter(symbol=position.symbol, side="buy").order_by("-recorded_at").first()
    is_new = bought is not None and is_fresh(bought.recorded_at, now, JUST_BOUGHT)
    return bought.recorded_at if bought is not None and is_new else now


def _text(price: Decimal | None) -> str | None:
    return None if price is None else plain_decimal(price)
