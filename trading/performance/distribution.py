"""How the round trips turned out, in percent of what they cost, counted by the database."""

from dataclasses import dataclass
from itertools import pairwise

from trading.performance.sums import EDGES, Limits, total_of
from trading.performance.together import Together


@dataclass(frozen=True, slots=True)
class Bin:
    """Trades from ``low`` (inclusive) to ``high`` percent; None: open. ``share`` of the largest bin, 0 to 1."""

    low: int | None
    high: int | None
    trades: int
    share: float

    @property
    def label(self) -> str:
        """In words."""
        if self.low is None:
            return f"below {self.high} %"
        return f"{self.low} % and more" if self.high is None else f"{self.low} to {self.high} %"


def distribution(limits: Limits, *, by: str | None = None, together: Together | None = None) -> list[Bin]:
    """Return the trades closed in the time by what they earned, lowest first; none where nothing was closed.

    Args:
        by: the groups that a report reads in the same statement.
    """
    counts = (together or Together()).of(total_of(by, limits)).bins
    most = max(counts.values(), default=0)
    bounds = pairwise((None, *EDGES, None))
    return [
        Bin(low, high, counts.get(place, 0), counts.get(place, 0) / most)
        for place, (low, high) in enumerate(bounds)
        if most
    ]
