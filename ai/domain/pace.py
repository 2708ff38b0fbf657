"""What a model's measured speed allows: symbols a minute, how many fit into an analysis, how long a whole one takes."""

from dataclasses import dataclass
from math import ceil

SURE_SHARE = 0.85  # of the time there is: the next answers may take somewhat longer than those measured
_STEP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """A model's speed: ``seconds_per_symbol`` of a call while ``calls_at_once`` are under way."""

    seconds_per_symbol: float
    calls_at_once: int

    def __post_init__(self) -> None:
        if not self.seconds_per_symbol > 0 or self.calls_at_once < 1:
            raise ValueError("a pace must be positive")

    @property
    def symbols_per_minute(self) -> float:
        """Symbols answered in a minute, all calls together."""
        return 60 * self.calls_at_once / self.seconds_per_symbol

    def fitting(self, seconds: float) -> int:
        """Return how many symbols are surely answered in so many seconds, one at least."""
        return max(1, int(seconds * SURE_SHARE / self.seconds_per_symbol) * self.calls_at_once)

    def seconds_for(self, symbols: int) -> int:
        """Return how many seconds so many symbols need to be answered surely, in steps of five."""
        rounds = ceil(symbols / self.calls_at_once)
        return ceil(rounds * self.seconds_per_symbol / SURE_SHARE / _STEP_SECONDS) * _STEP_SECONDS
