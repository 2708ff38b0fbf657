"""Timing: medians of repeated rounds, side by side in one run."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement; ``seconds`` is for one operation, the median of the rounds."""

    name: str
    seconds: float
    limit_ratio: float | None = None  # of the run's yardstick

    @property
    def per_second(self) -> float:
        """Operations a second."""
        return 1 / self.seconds


def time_per_call(call: Callable[[], object], *, rounds: int, calls: int) -> float:
    """Return the median over ``rounds`` of the seconds that one of ``calls`` calls took."""
    call()
    gc.collect()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(calls):
            call()
        took.append((time.perf_counter() - began) / calls)
    return statistics.median(took)


def table(yardstick: Figure, figures: list[Figure]) -> tuple[str, bool]:
    """Return the figures as lines, each as a ratio of the yardstick, and whether all keep their limits."""
    lines = [f"{'':44}{'per call':>12}{'per second':>14}{'ratio':>10}{'limit':>10}"]
    kept = True
    for figure in [yardstick, *figures]:
        ratio = figure.seconds / yardstick.seconds
        limit = f"{figure.limit_ratio:g}" if figure.limit_ratio is not None else "-"
        kept = kept and (figure.limit_ratio is None or ratio <= figure.limit_ratio)
        cost = f"{figure.seconds * 1e6:,.0f} us"
        lines.append(f"{figure.name:44}{cost:>12}{figure.per_second:>14,.0f}{ratio:>10.3f}{limit:>10}")
    return "\n".join(lines), kept
