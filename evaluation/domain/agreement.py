"""How often answers agree: samples of one question, and two ways of asking the same questions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb

from ai.domain.stability import Modal, modal
from evaluation.domain.figures import Figure
from evaluation.domain.intervals import Basis, share_figure

__all__ = ["ACTIONS", "Flips", "McNemar", "Modal", "action_agreement", "flips", "mcnemar", "modal"]
ACTIONS = ("buy", "hold", "sell")


@dataclass(frozen=True, slots=True)
class Flips:
    """Actions before and after, of the same questions: ``counts[(before, after)]``."""

    counts: Mapping[tuple[str, str], int]

    @property
    def table(self) -> tuple[tuple[int, ...], ...]:
        """Rows before, columns after, both buy, hold, sell."""
        return tuple(tuple(self.counts.get((b, a), 0) for a in ACTIONS) for b in ACTIONS)

    @property
    def total(self) -> int:
        """How many questions were compared."""
        return sum(self.counts.values())

    @property
    def changed(self) -> dict[tuple[str, str], int]:
        """The pairs that differ, the most frequent first."""
        differing = {pair: n for pair, n in self.counts.items() if pair[0] != pair[1]}
        return dict(sorted(differing.items(), key=lambda item: (-item[1], item[0])))


def flips(pairs: Iterable[tuple[str, str]]) -> Flips:
    """Return how often each action became which."""
    return Flips(Counter(pairs))


def action_agreement(pairs: Sequence[tuple[str, str]], sessions: Sequence[int], basis: Basis) -> Figure:
    """Return the share of questions with the same action before and after, with its interval."""
    return share_figure([float(before == after) for before, after in pairs], sessions, basis)


@dataclass(frozen=True, slots=True)
class McNemar:
    """Whether one way of asking is right more often than another, on the same decisions.

    Args:
        only_before: decisions that only the first way had right.
        only_after: those that only the second had.
        p_value: exact and two-sided; 1 where they never differ. It takes decisions for independent; where many fall
            into one session, the interval of the paired difference is the one to read.
    """

    both: int
    only_before: int
    only_after: int
    neither: int
    p_value: float


def mcnemar(before: Sequence[bool], after: Sequence[bool]) -> McNemar:
    """Return McNemar's exact test (1947) on labels of the same decisions.

    Raises:
        ValueError: different lengths.
    """
    counts = Counter(zip(before, after, strict=True))
    first, second = counts[(True, False)], counts[(False, True)]
    n, fewer = first + second, min(first, second)
    # Whole numbers until the last step: 2^n is no float from n = 1024 on.
    tail = 2 * sum(comb(n, k) for k in range(fewer + 1))
    p_value = min(1.0, tail / 2**n) if n else 1.0
    return McNemar(counts[(True, True)], first, second, counts[(False, False)], p_value)
