"""Decisions with their outcomes, as the statistics take them: columns of equal length, checked once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.errors import MalformedObservationsError

if TYPE_CHECKING:
    from evaluation.domain.resampling import Floats, Mask, Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Decisions that wanted to trade, and whether they were right; one row for each, in any order.

    Args:
        confidence: stated, 0 to 1, both inclusive.
        right: 1 where the label says right, else 0.
        sessions: consecutive numbers of the market sessions of the decisions.
    """

    confidence: "Floats"
    right: "Floats"
    sessions: "Numbers"

    def __len__(self) -> int:
        """Return how many decisions there are."""
        return len(self.confidence)

    def where(self, kept: "Mask") -> "Judged":
        """Return the decisions that a mask keeps."""
        return Judged(self.confidence[kept], self.right[kept], self.sessions[kept])


def judged(confidence: Sequence[float], right: Sequence[bool | int], sessions: Sequence[int]) -> Judged:
    """Return the decisions, checked.

    Raises:
        MalformedObservationsError: different lengths, a confidence out of 0 to 1 or not finite, a label that is
            neither 0 nor 1.
    """
    import numpy as np

    stated = np.asarray(confidence, dtype=np.float64)
    labels = np.asarray(right, dtype=np.float64)
    numbers = np.asarray(sessions, dtype=np.int64)
    if not stated.shape == labels.shape == numbers.shape or stated.ndim != 1:
        raise MalformedObservationsError(
            f"{stated.shape} confidences, {labels.shape} labels, {numbers.shape} sessions"
        )
    if not (np.isfinite(stated) & (stated >= 0) & (stated <= 1)).all():
        raise MalformedObservationsError("a confidence is not within 0 to 1")
    if not ((labels == 0) | (labels == 1)).all():
        raise MalformedObservationsError("a label is neither 0 nor 1")
    return Judged(stated, labels, numbers)
