"""The evaluation's tables."""

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
from evaluation.models.shadow import ShadowBook, ShadowDecision, ShadowFill, ShadowPoint

__all__ = [
    "LONGEST_NAME",
    "Dataset",
    "DatasetItem",
    "EvaluationRecord",
    "Experiment",
    "PurseReservation",
    "ReplayItem",
    "Run",
    "ShadowBook",
    "ShadowDecision",
    "ShadowFill",
    "ShadowPoint",
]
