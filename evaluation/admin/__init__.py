"""The evaluation's pages of the console: importing this package registers them, and fills trading's places."""

from evaluation.admin import asking, calibration, outcomes, runs, shadows, trying
from evaluation.models import CalibrationReport, Outcome, Run, ShadowBook, ShadowDecision, ShadowFill
from trading.queries.finding import also_find

also_find(by_end=(Run, CalibrationReport, ShadowBook), whole=(Outcome, ShadowDecision, ShadowFill))

__all__ = ["asking", "calibration", "outcomes", "runs", "shadows", "trying"]
