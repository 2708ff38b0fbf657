"""The evaluation's tables."""

from evaluation.models.outcomes import CalibrationReport, DailyBar, JobMark, Outcome
from evaluation.models.replays import (
    Dataset,
    DatasetItem,
    EvaluationRecord,
    Experiment,
    ReplayItem,
    Run,
)

__all__ = [
    "CalibrationReport",
    "DailyBar",
    "Dataset",
    "DatasetItem",
    "EvaluationRecord",
    "Experiment",
    "JobMark",
    "Outcome",
    "ReplayItem",
    "Run",
]
