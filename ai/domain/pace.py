"""What a model's measured speed allows: symbols a minute, how many fit into an analysis, how long a whole one takes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import ceil

SURE_SHARE = 0.85  # of the time there is: the next answers may take somewhat longer than those measured
_STEP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class TimedCall:
    """A call that ended, and of how many symbols it told something."""

    began_at: datetime
    ended_at: datetime
    symbols: int


@dataclass(frozen=True, slots=True)
class Pace:
    """A model's speed, all calls at once together: ``seconds_per_symbol`` of the time in which any was under way."""

    seconds_per_symbol: float

    def __post_init__(self) -> None:
        if not self.seconds_per_symbol > 0:
            raise ValueError("a pace must be positive")

    @property
    def symbols_per_minute(self) -> float:
        """Symbols answered in a minute."""
        return 60 / self.seconds_per_symbol

    def fitting(self, seconds: float) -> int:
        """Return how many symbols are surely answered in so many seconds, one at least."""
        return max(1, int(seconds * SURE_SHARE / self.seconds_per_symbol))

    def seconds_for(self, symbols: int) -> int:
        """Return how many seconds so many symbols need to be answered surely, in steps of five."""
        return ceil(symbols * self.seconds_per_symbol / SURE_SHARE / _STEP_SECONDS) * _STEP_SECONDS


def pace_of(calls: Iterable[TimedCall]) -> Pace | None:
    """Return the pace of calls, the time of those beside each other counted once; None where nothing was answered."""
    busy, symbols, end = 0.0, 0, None
    for call in sorted(calls, key=lambda each: each.began_at):
        begin = call.began_at if end is None else max(call.began_at, end)
        busy += max((call.ended_at - begin).total_seconds(), 0.0)
        end = call.ended_at if end is None else max(call.ended_at, end)
        symbols += call.symbols
    return Pace(busy / symbols) if symbols and busy > 0 else None
