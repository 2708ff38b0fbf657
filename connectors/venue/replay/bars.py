"""The bar that the market shows, whatever its length."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BarRow:
    """One bar; ``at`` is its start in epoch seconds, ``volume`` in base units."""

    at: int
    open: float
    high: float
    low: float
    close: float
    volume: float
