"""A universe as it is stored with its cycle: a line a symbol, compact, readable in SQL too.

``{"stock": {"cap": 120, "by_score": 80, "rotating": 40, "bound": 23, "in": ["AAPL:score:25:approved+fill",
…], "waiting": ["MSFT:20:watchlist", …]}, "crypto": {…}, "left_out": {"GONE": "…"}}``
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trading.domain.universe import Candidate, Reason, Seat, Selection, Taken

Record = dict[str, Any]
LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class UniverseLine:
    """One symbol of a stored universe; ``turn`` is its place in the line of those that wait, from 1."""

    symbol: str
    score: int
    reasons: tuple[str, ...]
    seat: str = ""
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class UniverseClass:
    """One class of a stored universe."""

    name: str
    cap: int
    by_score: int
    rotating: int
    bound: int | None
    taken: tuple[UniverseLine, ...]
    waiting: tuple[UniverseLine, ...]


def record_of(selections: Mapping[str, Selection], left_out: Mapping[str, str]) -> Record:
    """Return the record of a universe: a selection for each class, and why others could not be considered."""
    classes: Record = {name: _class_record(selection) for name, selection in selections.items()}
    return classes | ({LEFT_OUT: dict(left_out)} if left_out else {})


def read_record(record: Mapping[str, Any]) -> list[UniverseClass]:
    """Return the classes of a stored universe; none of a cycle that has none stored."""
    return [_class_of(name, stored) for name, stored in record.items() if name != LEFT_OUT]


def _class_record(selection: Selection) -> Record:
    return {
        "cap": selection.cap,
        "by_score": selection.score_slots,
        "rotating": selection.rotation_slots,
        "bound": selection.bound,
        "in": [_taken_line(taken) for taken in selection.taken],
        "waiting": [_waiting_line(candidate) for candidate in selection.waiting],
    }


def _taken_line(taken: Taken) -> str:
    if not taken.reasons:
        return f"{taken.symbol}:{taken.seat}"
    return f"{taken.symbol}:{taken.seat}:{taken.score}:{_joined(taken.reasons)}"


def _waiting_line(candidate: Candidate) -> str:
    return f"{candidate.symbol}:{candidate.score}:{_joined(candidate.reasons)}"


def _joined(reasons: frozenset[Reason]) -> str:
    return "+".join(reason for reason in Reason if reason in reasons)


def _class_of(name: str, stored: Mapping[str, Any]) -> UniverseClass:
    return UniverseClass(
        name=name,
        cap=stored["cap"],
        by_score=stored["by_score"],
        rotating=stored["rotating"],
        bound=stored["bound"],
        taken=tuple(_read_taken(line) for line in stored["in"]),
        waiting=tuple(_read_waiting(line, turn) for turn, line in enumerate(stored["waiting"], start=1)),
    )


def _read_taken(line: str) -> UniverseLine:
    symbol, seat, *rest = line.split(":")
    score, reasons = rest or ("0", "")
    return UniverseLine(symbol, int(score), tuple(filter(None, reasons.split("+"))), seat=Seat(seat))


def _read_waiting(line: str, turn: int) -> UniverseLine:
    symbol, score, reasons = line.split(":")
    return UniverseLine(symbol, int(score), tuple(reasons.split("+")), turn=turn)
