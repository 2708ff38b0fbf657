"""The evaluation's tables."""

from evaluation.models.outcomes import CalibrationReport, DailyBar, JobMark, Outcome
from evaluation.models.replays import (
    LONGEST_NAME,
    Dataset,
    DatasetItem,
    EvaluationRecord,
    Experiment,
    PurseReservation,
    ReplayItem,
    Run,
)

__all__ = [
    "LONGEST_NAME",
    "CalibrationReport",
    "DailyBar",
    "Dataset",
    "DatasetItem",
    "EvaluationRecord",
    "Experiment",
    "JobMark",
    "Outcome",
    "PurseReservation",
    "ReplayItem",
    "Run",
]
