"""The only kind of number that a page or an answer of the evaluation shows: with its interval, its n and its window.

Figures are estimates, so floats; money is not among them but as a mean, in the unit that its name says.
"""

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

# How long after the end of a model's training its data may still hold the time: cutoffs are told by month, late.
GREY_DAYS = timedelta(days=90)


class Window(enum.StrEnum):
    """Where what was judged lies to a model's training."""

    CLEAN = "clean"
    GREY = "grey"
    INSIDE = "inside"
    UNTRAINED = "untrained"  # the built-in analyst computes, and remembers nothing
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate that cannot be shown without its doubt.

    Args:
        value: the estimate; None where it cannot be known, which ``reason`` then says in words.
        low: lower end of the interval, 95 % where nothing else is said; None exactly where ``value`` is.
        high: the upper end.
        n: observations it rests on.
        n_effective: as many independent ones would say as much; at most ``n``.
        window: of all of the observations.

    Raises:
        ValueError: not finite, a value without its interval, ends in the wrong order, or unknown without a reason.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_effective: float
    window: Window
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what would be a number without its doubt."""
        numbers = [each for each in (self.value, self.low, self.high) if each is not None]
        if len(numbers) not in (0, 3) or not all(map(math.isfinite, numbers)):
            raise ValueError(f"a value needs both ends of its interval, all finite; was {numbers}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"the interval's ends are in the wrong order: {self.low}, {self.high}")
        if bool(self.reason) == bool(numbers):
            raise ValueError("a figure has either a value or the reason why it has none")
        if self.n < 0 or not 0 <= self.n_effective <= self.n:
            raise ValueError(f"n effective must be 0 to n = {self.n}, was {self.n_effective}")

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def excludes(self, other: float) -> bool:
        """Return whether ``other`` lies outside the interval; False where nothing is known."""
        return self.low is not None and self.high is not None and not self.low <= other <= self.high

    def to_json(self) -> dict[str, Any]:
        """Return the figure as REST and JSON columns have it."""
        body = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "nEffective": round(self.n_effective, 1),
            "window": self.window.value,
        }
        return body | ({"reason": self.reason} if self.reason else {})

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Figure":
        """Return the figure that ``to_json`` wrote.

        Raises:
            KeyError: a part is missing.
            ValueError: as the figure itself.
        """
        return cls(
            value=body["value"],
            low=body["low"],
            high=body["high"],
            n=body["n"],
            n_effective=body["nEffective"],
            window=Window(body["window"]),
            reason=body.get("reason", ""),
        )


def unknown(reason: str, *, n: int = 0, window: Window = Window.CLEAN) -> Figure:
    """Return a figure that cannot be known yet, or at all, for this reason."""
    return Figure(None, None, None, n, 0.0, window, reason)


def window_of(as_of: date, *, trained_until: date | None, released_on: date | None) -> Window:
    """Return where a moment lies to a language model's training.

    Args:
        as_of: the day of what was asked.
        trained_until: the last day of the training data, inclusive; None: not told.
        released_on: when the model came out, which bounds an untold cutoff; None: not known either.
    """
    if trained_until is None:
        return Window.CLEAN if released_on is not None and as_of > released_on else Window.GREY
    if as_of <= trained_until:
        return Window.INSIDE
    return Window.GREY if as_of <= trained_until + GREY_DAYS else Window.CLEAN


def joint_window(windows: Iterable[Window]) -> Window:
    """Return the window of observations taken together: theirs where it is one, else mixed."""
    distinct = set(windows)
    return distinct.pop() if len(distinct) == 1 else Window.MIXED
