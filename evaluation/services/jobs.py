"""The evaluation's work beside trading, which the process ``evaluator`` looks for and has done."""

from collections.abc import Sequence
from typing import Protocol

from evaluation.services.calibration.job import CalibrationJob
from evaluation.services.outcomes.job import OutcomesJob
from evaluation.services.replay.job import MANY, SINGLE
from evaluation.services.shadow.due import SHADOWS


class Job(Protocol):
    """A kind of work, each piece of it in a process of its own.

    What is imported in ``run`` is in memory only while it runs; what ``due`` imports stays.
    """

    @property
    def name(self) -> str:
        """One word, for logs and locks."""

    @property
    def at_once(self) -> int:
        """How many pieces an evaluator does side by side; of a kind with 1 one is done over all evaluators."""

    @property
    def timeout_seconds(self) -> float:
        """Of one piece; one that takes longer is killed and done again later."""

    def due(self) -> Sequence[str]:
        """Return the keys of what is to be done now, the most urgent first; asked each few seconds, so a cheap look."""

    def run(self, key: str) -> None:
        """Do one piece, or what is left of it: it may have been killed at any point, and be done once more."""


JOBS: tuple[Job, ...] = (SINGLE, MANY, OutcomesJob(), CalibrationJob(), SHADOWS)
