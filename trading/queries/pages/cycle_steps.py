"""What a cycle did when: its steps on one axis of time, and which of them were slow. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

STEP = "cycle.step."
# Slow is what a person would call so: seconds, and a good part of the whole.
SLOW_AFTER = timedelta(seconds=3)
SLOW_SHARE = 0.25
LEAST_SHARE = 0.005  # of a bar that is to be seen
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "stocks": "Prices of stocks",
        "coins": "Prices of coins",
        "news": "Headlines",
        "account": "Account and positions",
        "analysis": "Analysis",
    }
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the cycle did from ``start`` to ``end`` (wall time); ``words`` say what came of it."""

    title: str
    start: datetime
    end: datetime
    words: str = ""
    is_part: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class DrawnStep:
    """A step with its bar, in percent of the axis."""

    step: Step
    left: float
    width: float
    is_slow: bool


def step_of(event_type: str, payload: Mapping[str, Any], ended: datetime, words: str) -> Step | None:
    """Return the step that an event tells of, which was written at its end; None: it tells of none that took time."""
    name = event_type.removeprefix(STEP)
    seconds = payload.get("seconds")
    if not event_type.startswith(STEP) or not isinstance(seconds, int | float | Decimal):
        return None
    took = timedelta(seconds=float(seconds))
    title = TITLES.get(name, name.replace("_", " ").capitalize())
    return Step(title, ended - took, ended, words.strip())


def joined(steps: Sequence[Step]) -> list[Step]:
    """Return steps in order of their start, those of one title that follow each other as one."""
    found: dict[str, Step] = {}
    for step in sorted(steps, key=lambda step: step.start):
        before = found.get(step.title)
        if before is None:
            found[step.title] = step
        else:
            said = "; ".join(dict.fromkeys(filter(None, (before.words, step.words))))
            end = max(before.end, step.end)
            found[step.title] = Step(step.title, before.start, end, said, step.is_part)
    return list(found.values())


def drawn(steps: Sequence[Step], start: datetime, end: datetime) -> Iterator[DrawnStep]:
    """Yield each step with its bar on the axis from ``start`` to ``end``."""
    whole = max((end - start).total_seconds(), 0.001)
    for step in steps:
        left = min(max((step.start - start).total_seconds() / whole, 0.0), 1.0)
        share = max(step.seconds, 0.0) / whole
        width = min(max(share, LEAST_SHARE), 1.0 - left) if left < 1.0 else LEAST_SHARE
        is_slow = step.seconds >= SLOW_AFTER.total_seconds() and share >= SLOW_SHARE
        yield DrawnStep(step, min(left, 1.0 - LEAST_SHARE) * 100, width * 100, is_slow)
