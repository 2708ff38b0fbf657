"""Which symbols a cycle looks at: positions, the best candidates, and a share of slots that rotates.

Pure and deterministic: the same candidates, positions and seed give the same universe (ADR 0014).
"""

import enum
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

HIGH_CONFIDENCE = Decimal("0.7")
WANTED_SCORE = 20
CONFIDENT_SCORE = 10
CONFIDENT_AND_WANTED_SCORE = 5
TRADED_SCORE = 10
ROTATION_DIVISOR = 3


class Priority(enum.StrEnum):
    """High: a person wants it. Medium: the system's own decisions and fills speak for it."""

    HIGH = "high"
    MEDIUM = "medium"


class Reason(enum.StrEnum):
    """What speaks for a symbol."""

    WATCHLIST = "watchlist"
    APPROVED = "approved"
    CONFIDENT = "confident_decision"
    TRADED = "fill"


class Seat(enum.StrEnum):
    """By which right a symbol is in."""

    POSITION = "position"
    SCORE = "score"
    ROTATION = "rotation"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A symbol that something speaks for.

    ``waiting_since``: when a cycle last looked at it, or when it became a candidate if that was later.
    """

    symbol: str
    reasons: frozenset[Reason]
    waiting_since: datetime

    @property
    def priority(self) -> Priority:
        """High for what a person wants, medium for the rest."""
        return Priority.HIGH if self.reasons & {Reason.WATCHLIST, Reason.APPROVED} else Priority.MEDIUM

    @property
    def score(self) -> int:
        """Watchlist or approved 20; a confident decision 10, or 5 on top of these 20; a fill 10 more."""
        wanted = self.priority is Priority.HIGH
        score = WANTED_SCORE if wanted else 0
        if Reason.CONFIDENT in self.reasons:
            score += CONFIDENT_AND_WANTED_SCORE if wanted else CONFIDENT_SCORE
        return score + (TRADED_SCORE if Reason.TRADED in self.reasons else 0)


@dataclass(frozen=True, slots=True)
class Taken:
    """A symbol that is in, and why; no score where nothing but its position or its volume speaks for it."""

    symbol: str
    seat: Seat
    score: int = 0
    reasons: frozenset[Reason] = frozenset()


@dataclass(frozen=True, slots=True)
class Selection:
    """The symbols of one class for one cycle.

    ``waiting`` are the candidates that found no seat, in the order of their turns. ``score_slots`` and
    ``rotation_slots`` are 0 while every candidate finds a seat.
    """

    cap: int
    taken: tuple[Taken, ...] = ()
    waiting: tuple[Candidate, ...] = field(default=())
    score_slots: int = 0
    rotation_slots: int = 0

    @property
    def bound(self) -> int | None:
        """In how many cycles every candidate has been looked at, as things stand; None: no seat is free."""
        if not self.waiting:
            return 1
        candidates = self.score_slots + self.rotation_slots + len(self.waiting)
        return cycles_until_seen(candidates, self.score_slots + self.rotation_slots)


def split_slots(free: int) -> tuple[int, int]:
    """Return how many of the free slots go by score, and how many rotate: a third, rounded up."""
    rotating = -(-free // ROTATION_DIVISOR)
    return free - rotating, rotating


def cycles_until_seen(candidates: int, free: int) -> int | None:
    """Return the bound: within so many cycles in a row, each candidate is looked at.

    With C candidates without a position and F slots that positions leave free, R = ceil(F / 3) of them rotate
    and F - R go by score: ceil((C - (F - R)) / R) cycles, at least one. Each cycle seats the R that wait
    longest, a new candidate queues behind those that wait already, and whoever was seated goes to the end: of
    the C - 1 others, F are behind the one who waits after the first cycle, and R more after each further one.
    Where C and F change, the largest C (counting each symbol that was a candidate in the meantime) and the
    smallest F hold. None: positions take every slot.
    """
    if free <= 0:
        return None
    by_score, rotating = split_slots(free)
    return max(1, -(-(candidates - by_score) // rotating))


def select_universe(
    *,
    held: Sequence[str],
    candidates: Collection[Candidate],
    by_volume: Sequence[str],
    cap: int,
    seed: int,
) -> Selection:
    """Choose a cycle's symbols of one class.

    Every position is in, above the cap too. The slots that are left go to the candidates: all of them if they
    fit, else the highest scores to two thirds and those that wait longest to the rest. Slots that no
    candidate needs are filled by volume.

    Args:
        held: symbols with an open position.
        candidates: one at most per symbol.
        by_volume: symbols to fill up with, the most traded first; those that are in already are passed over.
        cap: the most symbols, unless positions alone are more.
        seed: decides between candidates that are equal in everything else.
    """
    known = {candidate.symbol: candidate for candidate in candidates}
    seated = [_position(symbol, known) for symbol in dict.fromkeys(held)]
    free = max(0, cap - len(seated))
    outside = [c for c in known.values() if c.symbol not in set(held)]
    order = {c.symbol: _tie(seed, c.symbol) for c in outside}

    by_score = sorted(
        outside, key=lambda c: (-c.score, c.priority != Priority.HIGH, c.waiting_since, order[c.symbol])
    )
    if len(outside) <= free:
        seated += [Taken(c.symbol, Seat.SCORE, c.score, c.reasons) for c in by_score]
        return Selection(cap=cap, taken=(*seated, *_filling(by_volume, seated, cap)))

    score_slots, rotation_slots = split_slots(free)
    line = sorted(by_score[score_slots:], key=lambda c: (c.waiting_since, order[c.symbol]))
    seated += [Taken(c.symbol, Seat.SCORE, c.score, c.reasons) for c in by_score[:score_slots]]
    seated += [Taken(c.symbol, Seat.ROTATION, c.score, c.reasons) for c in line[:rotation_slots]]
    return Selection(
        cap=cap,
        taken=tuple(seated),
        waiting=tuple(line[rotation_slots:]),
        score_slots=score_slots,
        rotation_slots=rotation_slots,
    )


def _position(symbol: str, known: Mapping[str, Candidate]) -> Taken:
    candidate = known.get(symbol)
    if candidate is None:
        return Taken(symbol, Seat.POSITION)
    return Taken(symbol, Seat.POSITION, candidate.score, candidate.reasons)


def _filling(by_volume: Sequence[str], seated: Sequence[Taken], cap: int) -> list[Taken]:
    inside = {taken.symbol for taken in seated}
    others = [symbol for symbol in dict.fromkeys(by_volume) if symbol not in inside]
    return [Taken(symbol, Seat.VOLUME) for symbol in others[: max(0, cap - len(seated))]]


def _tie(seed: int, symbol: str) -> bytes:
    return hashlib.sha256(f"{seed}:{symbol}".encode()).digest()
