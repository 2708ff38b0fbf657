"""Say what came of decisions whose sessions have passed, or why that cannot be said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Max, Q
from django.utils import timezone

from evaluation.domain import outcomes as labels
from evaluation.domain.outcomes import Followed, LabelSpec, Pending, Session, Universe, Unresolvable
from evaluation.models import Outcome
from evaluation.services.outcomes import bars
from evaluation.services.outcomes.scenes import Scene, read_scenes
from evaluation.services.outcomes.sessions import sessions_around
from trading.domain.symbols import is_coin

ROWS_AT_ONCE = 2_000
# Bars that are read around the rows at hand: for a common one before, for what came after a missing one behind.
BEFORE, AFTER = timedelta(days=21), timedelta(days=21)
_WRITE = """
UPDATE outcomes o
   SET resolved_at = v.at, reason = v.reason, excess_return = v.excess, symbol_return = v.own,
       universe_return = v.market, "right" = v.is_right, missed = v.missed, members = v.members
  FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[], %s::boolean[],
              %s::boolean[], %s::int[]) AS v(id, at, reason, excess, own, market, is_right, missed, members)
 WHERE o.id = v.id AND o.resolved_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Resolved:
    """How many rows were resolved, cannot be, and wait for bars."""

    known: int = 0
    unresolvable: int = 0
    waiting: int = 0

    def __add__(self, other: "Resolved") -> "Resolved":
        return Resolved(
            self.known + other.known,
            self.unresolvable + other.unresolvable,
            self.waiting + other.waiting,
        )


def resolve_due(now: datetime) -> Resolved:
    """Resolve all rows that are due; each chunk is one statement, so whoever is killed has done whole ones.

    Args:
        now: market time.
    """
    total = Resolved()
    for rows in _due(now):
        total += _resolve(rows, now)
    return total


def bring_bars(now: datetime) -> None:
    """Have the bars that what is due needs: kept from what trading fetched, or asked for."""
    due = Outcome.objects.filter(resolved_at__isnull=True, due_at__lte=now)
    last = due.aggregate(last=Max("due_at"))["last"]
    if last is None:
        return
    symbols: set[str] = set()
    for scene in read_scenes(set(due.values_list("scene_id", flat=True).distinct())).values():
        symbols.update(scene)
    began = timezone.now()
    if bars.fetch_missing(symbols, due=last.date(), now=now):
        bars.record_bars(since=began)


def _due(now: datetime) -> Iterator[Sequence[Outcome]]:
    """Yield what is due, in chunks; what has to wait is passed over."""
    open_rows = Outcome.objects.filter(resolved_at__isnull=True, due_at__lte=now).order_by("due_at", "pk")
    rows = list(open_rows[:ROWS_AT_ONCE])
    while rows:
        yield rows
        last = rows[-1]
        later = Q(due_at__gt=last.due_at) | Q(due_at=last.due_at, pk__gt=last.pk)
        rows = list(open_rows.filter(later)[:ROWS_AT_ONCE])


def _resolve(rows: Sequence[Outcome], now: datetime) -> Resolved:
    """Resolve a chunk: its universes, closes and sessions are read once."""
    scenes = read_scenes({row.scene_id for row in rows})
    first, last = min(row.session for row in rows), max(row.due_at for row in rows).date()
    symbols = {symbol for scene in scenes.values() for symbol in scene}
    closes = bars.closes_of(symbols, first - BEFORE, last + AFTER)
    sessions = sessions_around(first, max(last, now.date()))
    universes = {name: _Scene(scene, closes) for name, scene in scenes.items()}
    said = [(row, _come_of(row, universes[row.scene_id], sessions, now)) for row in rows]
    done = [(row, found) for row, found in said if not isinstance(found, Pending)]
    _write(done, now)
    known = sum(isinstance(found, labels.Outcome) for _, found in done)
    return Resolved(known, len(done) - known, len(rows) - len(done))


class _Scene:
    """A universe with the closes of then and now, stocks and coins apart."""

    def __init__(self, scene: Scene, closes: Mapping[str, labels.Closes]) -> None:
        self._followed = {
            symbol: Followed(price, then, closes.get(symbol, {})) for symbol, (price, then) in scene.items()
        }
        self._universes = {
            of_coins: Universe(
                [each for symbol, each in self._followed.items() if is_coin(symbol) is of_coins]
            )
            for of_coins in (False, True)
        }

    def of(self, symbol: str) -> tuple[Followed, Universe]:
        """Return a symbol, and what it was chosen from."""
        return self._followed.get(symbol, Followed(None, {}, {})), self._universes[is_coin(symbol)]


def _come_of(
    row: Outcome, scene: _Scene, sessions: Sequence[Session], now: datetime
) -> labels.Outcome | Unresolvable | Pending:
    symbol, universe = scene.of(row.symbol)
    return labels.resolve(
        action=row.action,
        as_of=row.as_of,
        spec=LabelSpec(row.label_spec),
        symbol=symbol,
        universe=universe,
        sessions=sessions,
        round_trip_cost=row.cost,
        now=now,
    )


def _write(done: Sequence[tuple[Outcome, labels.Outcome | Unresolvable]], now: datetime) -> None:
    if not done:
        return
    columns: list[list[object]] = [[] for _ in range(9)]
    for row, found in done:
        if isinstance(found, Unresolvable):
            values: tuple[object, ...] = (found.value, None, None, None, None, None, None)
        else:
            values = (
                "",
                found.excess_return,
                found.symbol_return,
                found.universe_return,
                found.right,
                found.missed,
                found.members,
            )
        for column, value in zip(columns, (row.pk, now, *values), strict=True):
            column.append(value)
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, columns)
